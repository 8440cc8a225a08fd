"""Job: who may answer the access requests of a document gets a mail that there are some."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.jobs import Job, Retries, performs
from application.mail_jobs import UNTIL_DEADLINE
from application.notices import NoticeMail
from application.ports import EventStore, JobQueue
from domain.access import TEAM
from domain.content.document import Document
from domain.teams.team import Team

MAX_TOLD = 10
"""The maximum number of admins of a team who get a mail, the owners first."""


class TellOfAccessRequests(Job, frozen=True, kw_only=True):
    """Tell who may answer that somebody has asked for access, if there is such a document. `due`: not before that."""

    kind: ClassVar[str] = "tell_of_access_requests"
    retries: ClassVar[Retries] = UNTIL_DEADLINE

    document_id: UUID
    due: datetime

    @property
    def effect_key(self) -> str:
        """Part of the keys of the mails that it causes."""
        return f"{self.document_id.hex}.{self.due:%Y%m%d%H%M%S}"

    @property
    def not_before(self) -> datetime | None:
        """See `Job`."""
        return self.due


@performs
async def tell_of_access_requests(job: TellOfAccessRequests, events: EventStore, queue: JobQueue) -> None:
    document = await events.load(Document, job.document_id)
    if document is None or document.erased or document.trashed_at is not None:
        return
    await queue.enqueue(
        *[
            NoticeMail(template="access_asked", user_id=user_id, about_id=document.id, cause=job.effect_key)
            for user_id in await answerers(document, events)
        ]
    )


async def answerers(document: Document, events: EventStore) -> list[UUID]:
    """Return the users who answer requests for a document: its owner, or owners and admins of the team that owns it."""
    if document.owner.kind == "user":
        return [document.owner.id]
    team = await events.load(Team, document.owner.id)
    return [] if team is None else managers_of(team)


def managers_of(team: Team) -> list[UUID]:
    """Return the users who answer requests to a team, as many as get a mail."""
    return [user_id for role in TEAM.roles_for("invite") for user_id, held in team.members.items() if held == role][
        :MAX_TOLD
    ]
