"""How long an invitation is open, and how soon it is sent again."""

from datetime import datetime, timedelta

from domain.teams.refusals import InvitedRecently

INVITATION_LIFETIME = timedelta(days=14)

RESEND_INTERVAL = timedelta(minutes=10)
"""The shortest time between two mails of one invitation."""


def require_interval(open_until: datetime | None, *, now: datetime) -> None:
    """Refuse a mail of an invitation that was sent a short time ago. None: there is no earlier invitation.

    Raises:
        InvitedRecently: the last mail was sent less than `RESEND_INTERVAL` ago.
    """
    if open_until is not None and now < open_until - INVITATION_LIFETIME + RESEND_INTERVAL:
        raise InvitedRecently("The invitation was sent less than ten minutes ago; wait, then send it again.")
