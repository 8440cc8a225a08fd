"""Access to sessions."""

from tests.support.access.kernel import CASES, PUBLIC, Case

PUBLIC |= {"log_in", "refresh_session", "refresh_cookies"}
CASES += [
    Case("list_sessions"),
    Case("revoke_session", states={"stranger": 404, "unverified": 404}, note="of another user"),
    Case("log_out", ends_session=True),
    Case("log_out_everywhere", ends_session=True),
]
