"""Jobs: who may answer requests for a document, or manages a team, gets a mail that there is something to do.

The first request causes a mail at once. Further ones within the hour share a mail at its end.
"""

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import msgspec

from application.jobs import Job, Retries, performs
from application.mail_jobs import UNTIL_DEADLINE
from application.notices import NoticeMail, NoticeTemplate
from application.ports import EventStore, Holdings, JobQueue
from domain.access import TEAM
from domain.content.document import Document
from domain.kernel import Party
from domain.teams.team import Team

MAIL_INTERVAL = timedelta(hours=1)
"""The shortest time between two mails about requests for one document, or to one team."""

MAX_TOLD = 10
"""The maximum number of members of a team who get a mail, the owners first."""


class ToldRequests(msgspec.Struct):
    """State of a policy: when the last mail is due, which may be in the future."""

    due: datetime | None = None


def next_mail(last: datetime | None, asked: datetime) -> datetime | None:
    """Return when the mail about a request is due; None: the last mail, due at `last`, is about it, too."""
    if last is None:
        return asked
    return None if asked <= last else max(asked, last + MAIL_INTERVAL)


class TellJob(Job, frozen=True, kw_only=True):
    """Base of jobs that cause mails about requests. `due`: not before that."""

    retries: ClassVar[Retries] = UNTIL_DEADLINE
    deadline: ClassVar[timedelta] = timedelta(days=7)
    """It counts from the time of the request, also where policies were behind."""

    due: datetime

    @property
    def not_before(self) -> datetime | None:
        """See `Job`."""
        return self.due

    def cause(self, id: UUID) -> str:
        """Return the part of the keys of the mails that it causes."""
        return f"{id.hex}.{self.due:%Y%m%d%H%M%S}"


class TellOfAccessRequests(TellJob, frozen=True, kw_only=True):
    """Tell who may answer that somebody has asked for access, if there is such a document and an open request."""

    kind: ClassVar[str] = "tell_of_access_requests"

    document_id: UUID

    @property
    def effect_key(self) -> str:
        """Part of the keys of the mails that it causes."""
        return self.cause(self.document_id)


class TellTeam(TellJob, frozen=True, kw_only=True):
    """Tell the admins of a team that somebody has asked to join it, or that it has lost a domain."""

    kind: ClassVar[str] = "tell_team"

    template: NoticeTemplate
    team_id: UUID

    @property
    def effect_key(self) -> str:
        """Part of the keys of the mails that it causes."""
        return f"{self.template}.{self.cause(self.team_id)}"


@performs
async def tell_of_access_requests(
    job: TellOfAccessRequests, events: EventStore, holdings: Holdings, queue: JobQueue
) -> None:
    document = await events.load(Document, job.document_id)
    if document is None or document.erased or document.trashed_at is not None:
        return
    if not await holdings.open_access_requests(job.document_id):
        return
    for user_id in await answering(document.owner, events):
        await queue.enqueue(
            NoticeMail(template="access_asked", user_id=user_id, about_id=document.id, cause=job.effect_key)
        )


@performs
async def tell_team(job: TellTeam, events: EventStore, queue: JobQueue) -> None:
    for user_id in await answering(Party("team", job.team_id), events):
        await queue.enqueue(
            NoticeMail(template=job.template, user_id=user_id, about_id=job.team_id, cause=job.cause(job.team_id))
        )


async def answering(party: Party, events: EventStore) -> list[UUID]:
    """Return who answers requests: the user, or owners and admins of the team, as many as get a mail."""
    if party.kind == "user":
        return [party.id]
    team = await events.load(Team, party.id)
    members = {} if team is None or team.dissolved_at is not None else team.members
    by_rank = [user_id for rank in TEAM.roles_for("invite") for user_id, role in members.items() if role == rank]
    return by_rank[:MAX_TOLD]
