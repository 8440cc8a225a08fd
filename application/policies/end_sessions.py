"""Policy: the sessions that an event ends are ended, also where the process that appended it died before it could."""

from collections.abc import Iterable

from application.identity.session_jobs import EndSessions
from application.policy import Reaction, policy
from domain.identity.user import User


@policy()
def end_sessions(
    event: User.PasswordChanged
    | User.EmailChanged
    | User.EmailChangeUndone
    | User.SessionsEnded
    | User.LockedDown
    | User.DeletionRequested
    | User.AuditorDismissed
    | User.Deactivated
    | User.Erased,
) -> Iterable[Reaction]:
    yield EndSessions(
        user_id=event.originator_id,
        version=event.originator_version,
        kept_session_id=getattr(event, "kept_session_id", None),
    )
