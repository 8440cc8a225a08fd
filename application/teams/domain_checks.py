"""Job: looks every day whether the records of proved domains are still there, where no mail proves them."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from application.jobs import ScheduledJob, performs, report_unread
from application.ports import (
    Clock,
    EventStore,
    NotSettled,
    ProvedDomain,
    ProvedDomains,
    SendAsSystem,
    TextRecords,
    Unavailable,
    Unreadable,
)
from application.teams.domain import NoteDomain, is_published
from domain.kernel import NotFound
from domain.teams.domain_mails import needs_record
from domain.teams.team import Team


class CheckDomains(ScheduledJob, frozen=True, kw_only=True):
    """Look for the records of all proved domains that need one. A domain whose servers are silent waits for a day."""

    kind: ClassVar[str] = "check_domains"
    queue: ClassVar[str] = "default"
    run_timeout: ClassVar[timedelta] = timedelta(hours=2)
    every: ClassVar[str | None] = "23 5 * * *"


@performs
async def check_domains(
    job: CheckDomains,
    proved_domains: ProvedDomains,
    events: EventStore,
    records: TextRecords,
    send: SendAsSystem,
    clock: Clock,
) -> None:
    now, last = clock(), None
    unread: list[UUID] = []
    while found := await proved_domains.proved(after=last):
        for each in found:
            last = each.domain_id
            try:
                name = await _name(each, events, now)
                is_there = None if name is None else await _is_there(name, each, records)
            except Unreadable:
                unread.append(each.team_id)
                continue
            if is_there is not None:
                command = NoteDomain(id=each.team_id, domain_id=each.domain_id, found=is_there)
                with suppress(NotSettled, NotFound):
                    await send(command, f"{job.effect_key}:{each.domain_id}:{now.isoformat()}")
    report_unread(unread)


async def _name(each: ProvedDomain, events: EventStore, now: datetime) -> str | None:
    """Return the domain; None: the team has it no more, or it needs no record. Raises `Unreadable`."""
    team = await events.load(Team, each.team_id)
    domain = None if team is None else team.domains.get(each.domain_id)
    return domain["name"] if domain is not None and needs_record(domain, now) else None


async def _is_there(name: str, each: ProvedDomain, records: TextRecords) -> bool | None:
    """Return whether the record is in DNS; None: DNS does not answer."""
    try:
        return await is_published(name, each.domain_id, records)
    except Unavailable:
        return None
