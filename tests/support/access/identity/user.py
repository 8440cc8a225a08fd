"""Access to accounts."""

from domain.access import ACCOUNT
from tests.support.access.kernel import CASES, PUBLIC, Case

PUBLIC |= {"register", "log_in"}
CASES += [
    Case("get_me", ACCOUNT, "read"),
    Case("change_me", ACCOUNT, "change", lambda _: {"name": "New"}),
]
