"""Use cases of loans: share a document with a team of the actor, and take it back."""

from uuid import UUID

from application.commands import Command, handles
from application.content.document import DocumentView, document_view
from application.ports import Actor, Clock, Store
from domain.content import lending
from domain.content.document import Document
from domain.content.roles import ShareRole
from domain.teams.team import Team


class LendDocument(Command[DocumentView]):
    """Give the members of a team of the actor a role on a document, or another role."""

    id: UUID
    team_id: UUID
    role: ShareRole


class TakeDocumentBack(Command[DocumentView]):
    """End the loan of a document to a team."""

    id: UUID
    team_id: UUID


@handles
async def lend_document(cmd: LendDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await store.get(Document, cmd.id)
    document.require("share", actor)
    team = await store.get(Team, cmd.team_id)
    lending.lend(document, team, cmd.role, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def take_document_back(cmd: TakeDocumentBack, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await store.get(Document, cmd.id)
    lending.take_back(document, cmd.team_id, by=actor, now=clock())
    store.save(document)
    return document_view(document)
