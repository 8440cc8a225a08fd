"""Policy: a user who has asked for the deletion of their account hears that it must wait, and that it goes on."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.privacy.hold_mails import HoldMail
from domain.identity.user import User
from domain.privacy.erasure_record import ErasureRecord


@policy()
def tell_of_holds(
    event: User.DeletionRequested | ErasureRecord.HoldPlaced | ErasureRecord.HoldLifted,
) -> Iterable[Reaction]:
    id = event.originator_id
    yield HoldMail(
        template="deletion_resumed" if isinstance(event, ErasureRecord.HoldLifted) else "deletion_held",
        record_id=ErasureRecord.id_of(id) if isinstance(event, User.DeletionRequested) else id,
        stream_id=id,
        version=event.originator_version,
    )
