"""Loans of documents to teams. Only this file writes the table; `visibility.py` and holdings read it, too."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.document import Document
from domain.content.roles import ShareRole
from projections.content.document import own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.visibility import LENT, ROLE_MODELS


@dataclass(frozen=True, slots=True)
class TeamShareView:
    """A loan of a document to a team. `active`: false since the owner has left the team, or the team was dissolved.

    `team_name`: null where the loan is not active.
    """

    team_id: UUID
    team_name: str | None
    role: ShareRole
    lent_at: datetime
    active: bool


class DocumentTeamShares(ReadModel):
    """Loans that their owners have not ended. `membership`: of the owner, as `team_roster.joined_version` has it."""

    version = 1
    roots = (Document,)
    personal = PersonalData("that a document is lent", "the event document.erased follows the end of all loans")
    table = Table(
        "document_team_share",
        key={"document_id": "uuid", "team_id": "uuid"},
        columns={"role": "text NOT NULL", "membership": "bigint NOT NULL", "lent_at": "timestamptz NOT NULL"},
        indexes=["(team_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.SharedWithTeam(team_id=team_id, role=role, membership=membership):
                loan = {"role": role, "membership": membership, "lent_at": moment_of(event)}
                yield self.table.put(event.stream_id, team_id, **loan)
            case Document.TeamShareChanged(team_id=team_id, role=role):
                yield self.table.set(event.stream_id, team_id, role=role)
            case Document.TeamShareRevoked(team_id=team_id):
                yield self.table.drop(event.stream_id, team_id)


TEAM_SHARES = f"""
SELECT a.team_id, l.name AS team_name, a.role, a.lent_at, l.team_id IS NOT NULL AS active
FROM read.document_team_share a LEFT JOIN (
    SELECT s.document_id, s.team_id, t.name FROM {LENT}
) l ON l.document_id = a.document_id AND l.team_id = a.team_id
WHERE a.document_id = %(id)s ORDER BY a.lent_at, a.team_id
"""  # noqa: S608 - our own words only


@reads(DocumentTeamShares, "document", *ROLE_MODELS)
async def team_shares(rows: ReadStore, actor: Actor, document_id: UUID) -> list[TeamShareView] | None:
    """Return a document's loans, the oldest first; None: the document does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    return await rows.all(TeamShareView, TEAM_SHARES, {"id": document_id})
