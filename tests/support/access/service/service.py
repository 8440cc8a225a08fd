"""Access to the service itself, and to the stream of events."""

from tests.support.access.kernel import CASES, PUBLIC, Case

PUBLIC |= {"live", "ready", "jwks", "list_error_codes"}
CASES += [Case("stream_events", query={"wait": "0"})]
