"""Policy: who has asked for access to a document, or to join a team, gets a mail when that is answered."""

from collections.abc import Iterable, Mapping

from application.notices import NoticeMail, NoticeTemplate
from application.policy import Reaction, policy
from domain.content.access_request import AccessRequest
from domain.kernel import Root
from domain.teams.join_request import JoinRequest

TEMPLATES: Mapping[type[Root.Event], NoticeTemplate] = {
    AccessRequest.Accepted: "access_accepted",
    AccessRequest.Declined: "access_declined",
    JoinRequest.Accepted: "join_accepted",
    JoinRequest.Declined: "join_declined",
}


@policy()
def tell_of_answers(
    event: AccessRequest.Accepted | AccessRequest.Declined | JoinRequest.Accepted | JoinRequest.Declined,
) -> Iterable[Reaction]:
    yield NoticeMail(
        template=TEMPLATES[type(event)],
        user_id=event.user_id,
        about_id=event.team_id if isinstance(event, JoinRequest.Accepted | JoinRequest.Declined) else event.document_id,
        cause=f"{event.originator_id.hex}.{event.originator_version}",
    )
