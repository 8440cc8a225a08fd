"""Access to the service itself, and to the stream of events."""

from tests.support.access.kernel import CASES, PUBLIC, Case

PUBLIC |= {"live", "ready", "jwks"}
CASES += [Case("stream_events", query={"wait": "0"})]
