"""Domains of teams. Only this file writes and reads the table.

The domain itself is in no row: a row has the version of the event that has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeGuard
from uuid import UUID

from application.ports import Actor, ProvedDomain, ReadStore, RecordedEvent, StoredEvents
from domain.teams.domain_mails import MAIL_PROOF_LIFETIME
from domain.teams.domains import record_name, record_value
from domain.teams.team import Team
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.visibility import team_role

BATCH = 200

DomainState = Literal["pending", "proved"]
DomainProof = Literal["record", "mail"]


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain of a team, and the text record that proves it.

    `proved_by`: the record, or a mail, which needs a record or another mail from `valid_until` on; null: nothing yet.
    `missing_since`: when the proof of a proved domain was not found any more; null: it is there.
    """

    id: UUID
    name: str
    state: DomainState
    record_name: str
    record_value: str
    added_at: datetime
    proved_at: datetime | None
    proved_by: DomainProof | None
    valid_until: datetime | None
    missing_since: datetime | None


@dataclass(frozen=True, slots=True)
class StoredDomain:
    """A row. `added_version`: that of the event with the domain."""

    id: UUID
    added_version: int
    added_at: datetime
    proved_at: datetime | None
    proved_by: DomainProof | None
    missing_since: datetime | None


class TeamDomains(ReadModel):
    """The domains that teams have named. `proved_at`: None until then, and once they are lost."""

    version = 2
    roots = (Team,)
    personal = PersonalData("that a team has domains", "erasures remove them; those of a damaged team stay, unnamed")
    table = Table(
        "team_domain",
        key={"team_id": "uuid", "id": "uuid"},
        columns={
            "added_version": "bigint NOT NULL",
            "added_at": "timestamptz NOT NULL",
            "proved_at": "timestamptz",
            "proved_by": "text",
            "missing_since": "timestamptz",
        },
        indexes=["(id) WHERE proved_at IS NOT NULL"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        team_id = event.stream_id
        match event.data:
            case Team.DomainAdded(domain_id=domain_id):
                yield self.table.put(
                    team_id,
                    domain_id,
                    added_version=event.version,
                    added_at=moment_of(event),
                    proved_at=None,
                    proved_by=None,
                    missing_since=None,
                )
            case Team.DomainProved(domain_id=domain_id, timestamp=moment):
                yield self._proved(team_id, domain_id, moment, "record")
            case Team.DomainProvedByMail(domain_id=domain_id, timestamp=moment):
                yield self._proved(team_id, domain_id, moment, "mail")
            case Team.DomainMissed(domain_id=domain_id, timestamp=moment):
                yield self.table.set(team_id, domain_id, missing_since=moment)
            case Team.DomainFoundAgain(domain_id=domain_id):
                yield self.table.set(team_id, domain_id, missing_since=None)
            case Team.DomainLost(domain_id=domain_id):
                yield self._proved(team_id, domain_id, None, None)
            case Team.DomainRemoved(domain_id=domain_id):
                yield self.table.drop(team_id, domain_id)

    def _proved(self, team_id: UUID, domain_id: UUID, moment: datetime | None, by: DomainProof | None) -> Change:
        return self.table.set(team_id, domain_id, proved_at=moment, proved_by=by, missing_since=None)


DOMAINS = f"""
SELECT {columns_of(StoredDomain)} FROM read.team_domain WHERE team_id = %s ORDER BY added_at, id
"""  # noqa: S608 - columns of our own view

PROVED = """
SELECT team_id, id AS domain_id FROM read.team_domain WHERE proved_at IS NOT NULL AND id > %s ORDER BY id LIMIT %s
"""


@reads(TeamDomains, "team", "team_roster")
async def team_domains(rows: ReadStore, stored: StoredEvents, actor: Actor, team_id: UUID) -> list[DomainView] | None:
    """Return the domains of a team, the oldest first; None: the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
    """
    if await team_role(rows, actor, team_id, "list_domains") is None:
        return None
    found = await rows.all(StoredDomain, DOMAINS, [team_id])
    events = await stored.events([(team_id, each.added_version) for each in found])
    return [_view(each, event.name) for each, event in zip(found, events, strict=True) if _is_added(event)]


def _is_added(event: object) -> TypeGuard[Team.DomainAdded]:
    return isinstance(event, Team.DomainAdded)


def _view(row: StoredDomain, name: str) -> DomainView:
    return DomainView(
        row.id,
        name,
        "pending" if row.proved_at is None else "proved",
        record_name(name),
        record_value(row.id),
        row.added_at,
        row.proved_at,
        row.proved_by,
        row.proved_at + MAIL_PROOF_LIFETIME if row.proved_at and row.proved_by == "mail" else None,
        row.missing_since,
    )


@reads(TeamDomains)
async def proved_domains(rows: ReadStore, after: UUID | None) -> list[ProvedDomain]:
    """Return the next proved domains; see `ProvedDomains`."""
    return await rows.all(ProvedDomain, PROVED, [after or UUID(int=0), BATCH])


class ReadProvedDomains:
    """Implements `application.ports.ProvedDomains`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def proved(self, *, after: UUID | None) -> list[ProvedDomain]:
        """See `ProvedDomains`."""
        return await proved_domains(self._rows, after)
