"""Access to the service itself, to the audit tree, to the stream of events, and to the list of models."""

from tests.support.access.kernel import CASES, PUBLIC, Case

PUBLIC |= {"live", "ready", "jwks", "list_error_codes"}
PUBLIC |= {"get_checkpoint", "get_log_proof", "get_consistency_proof"}
CASES += [Case("stream_events", query={"wait": "0"}), Case("list_models")]
