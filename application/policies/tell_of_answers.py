"""Policy: who has asked for access to a document gets a mail when it is answered."""

from collections.abc import Iterable

from application.notices import NoticeMail
from application.policy import Reaction, policy
from domain.content.access_request import AccessRequest


@policy()
def tell_of_answers(event: AccessRequest.Granted | AccessRequest.Refused) -> Iterable[Reaction]:
    yield NoticeMail(
        template="access_granted" if isinstance(event, AccessRequest.Granted) else "access_refused",
        user_id=event.user_id,
        about_id=event.document_id,
        cause=f"{event.originator_id.hex}.{event.originator_version}",
    )
