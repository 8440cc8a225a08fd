"""Rule of all requests, for access to documents and to join teams: how soon a user asks again after a decline."""

from datetime import datetime, timedelta

from domain.kernel import Conflict

ASK_AGAIN_AFTER = timedelta(days=7)
"""How long it stands that a request was declined."""


class DeclinedRecently(Conflict):
    """A request of the user was declined a short time ago."""


def require_may_ask_again(state: str, answered_at: datetime | None, now: datetime) -> None:
    """Refuse a further request that comes too early after the last one was declined.

    Raises:
        DeclinedRecently
    """
    if state == "declined" and answered_at is not None and now < answered_at + ASK_AGAIN_AFTER:
        raise DeclinedRecently("Your request was declined; you can ask again 7 days after that.")
