// Serves OpenAI's API until standard input ends. Prints its address. What a prompt gets is decided by its last message.
const { LLMock } = require("@copilotkit/aimock");

const usage = { prompt_tokens: 12, completion_tokens: 5, input_tokens: 12, output_tokens: 5, total_tokens: 17 };
const content = "Otters hold hands while they sleep.";
const fault = (message, type, code) => ({ message, type, code });

const mock = new LLMock({ port: 0 });
mock.on({ userMessage: "plain" }, { content, usage }, { chunkSize: 5 });
mock.on({ userMessage: "without usage" }, { content }, { chunkSize: 5 });
mock.on({ userMessage: "long" }, { content, usage, finishReason: "length" }, { chunkSize: 5 });
mock.on({ userMessage: "forbidden" }, { content, usage, finishReason: "content_filter" }, { chunkSize: 5 });
mock.on({ userMessage: "cut" }, { content, usage }, { chunkSize: 5, truncateAfterChunks: 8, latency: 5 });
mock.on({ userMessage: "busy" }, { error: fault("Otters first", "rate_limit_error"), status: 429, retryAfter: 7 });
mock.on({ userMessage: "broken" }, { error: fault("Otters inside", "server_error"), status: 500 });
mock.on({ userMessage: "refused" }, { error: fault("Otters forbidden", "invalid_request_error"), status: 400 });

mock.onModerate("otters fight", {
  flagged: true,
  categories: { violence: true, "self-harm": true, hate: false },
  category_scores: { violence: 0.9, "self-harm": 0.8, hate: 0 },
});

mock.start().then(() => console.log(mock.url));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
