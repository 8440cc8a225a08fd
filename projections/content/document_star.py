"""Stars that users have set on documents. Only this file writes the table; lists of documents read it, too."""

from collections.abc import Iterator

from application.ports import RecordedEvent
from domain.content.star import Star
from projections.kernel import Change, PersonalData, ReadModel, Table

STARRED = """EXISTS (
    SELECT FROM read.document_star s WHERE s.user_id = %(user_id)s AND s.document_id = d.id AND s.placed
)"""
"""The condition that the actor has set a star on the document `d`."""


class DocumentStars(ReadModel):
    """All stars, in place or removed."""

    version = 1
    roots = (Star,)
    personal = PersonalData("ids of users and documents", "stays: ids only")
    table = Table(
        "document_star",
        key={"id": "uuid"},
        columns={"user_id": "uuid NOT NULL", "document_id": "uuid NOT NULL", "placed": "boolean NOT NULL"},
        indexes=["(user_id, document_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Star.Placed(user_id=user_id, document_id=document_id):
                yield self.table.put(event.stream_id, user_id=user_id, document_id=document_id, placed=True)
            case Star.PlacedAgain():
                yield self.table.set(event.stream_id, placed=True)
            case Star.Removed():
                yield self.table.set(event.stream_id, placed=False)
