// Reads an AsyncAPI document from standard input and prints the result of the official parser as JSON.
const { Parser } = require("@asyncapi/parser");

let text = "";
process.stdin.on("data", (chunk) => { text += chunk; });
process.stdin.on("end", async () => {
  const { document, diagnostics } = await new Parser().parse(text);
  const found = diagnostics.map(({ code, message, path, severity }) => ({ code, message, path, severity }));
  const messages = document ? document.allMessages().all().map((message) => message.name()) : [];
  process.stdout.write(JSON.stringify({ valid: document !== undefined, found, messages }));
});
