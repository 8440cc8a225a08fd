"""Access to accounts."""

from uuid import uuid4

from tests.support.access.kernel import CASES, OUTSIDERS, PUBLIC, Case
from tests.support.http import PASSWORD


def new_email() -> str:
    """An address that no account has."""
    return f"{uuid4()}@example.org"


PUBLIC |= {"register", "verify_email", "resend_verification", "forgot_password", "reset_password"}
PUBLIC |= {"confirm_email_change", "undo_email_change", "lock_down", "withdraw_deletion", "get_challenge"}
CASES += [
    Case("get_me"),
    Case("list_security_log"),
    Case("change_me", lambda _: {"name": "New"}),
    Case("accept_terms", lambda _: {"version": "2026-11"}),
    Case("change_email", lambda _: {"new_email": new_email(), "current_password": PASSWORD}),
    Case("delete_me", lambda _: {"current_password": "wrong"}, states=dict.fromkeys(OUTSIDERS, 403)),
    Case("list_account_history"),
    Case("change_password", lambda _: {"current_password": PASSWORD, "new_password": PASSWORD}),
]
