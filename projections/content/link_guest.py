"""Users who came to documents by share links. Only this file writes the table; others count and judge its rows."""

from collections.abc import Iterator

from application.ports import RecordedEvent
from domain.content.link_guest import LinkGuest
from projections.kernel import Change, PersonalData, ReadModel, Table


class LinkGuests(ReadModel):
    """Every use of a link by a user; `present`: the user has not left since."""

    version = 1
    roots = (LinkGuest,)
    personal = PersonalData("ids of users", "the rows stay; they are ids")
    table = Table(
        "link_guest",
        key={"user_id": "uuid", "document_id": "uuid", "link_id": "uuid"},
        columns={"present": "boolean NOT NULL"},
        indexes=["(document_id)", "(link_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case LinkGuest.Joined() | LinkGuest.JoinedAgain() as joined:
                yield self.table.put(joined.user_id, joined.document_id, joined.link_id, present=True)
            case LinkGuest.Left() as left:
                yield self.table.set(left.user_id, left.document_id, left.link_id, present=False)
