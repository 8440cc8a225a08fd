"""Ada, who asks models for texts: a bus on a store in memory, and a worker with a scripted provider."""

from uuid import UUID

from application.content.document import CreateDocument
from application.content.ownership import AcceptDocument, OfferDocumentToTeam
from application.generation.generation import GenerationView, RequestGeneration
from application.ports import Actor
from application.teams.team import FoundTeam
from domain.billing.budget import Budget, month_of
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.kernel import Party
from tests.support.use_cases import CommandRunner

OUTPUT = 1_000


class Studio(CommandRunner):
    """Ada, her document, and what she asks a model for."""

    ada: Actor
    document_id: UUID

    async def open(self, content: str = "The river.") -> "Studio":
        self.ada = await self.actor("ada@example.org")
        created = await self.ask(CreateDocument(title="Notes", content=content), self.ada)
        self.document_id = created.id
        await self.work()
        return self

    async def ask_for(
        self, target: str = "append", by: Actor | None = None, key: str | None = None, **more: object
    ) -> GenerationView:
        place = Placement(target, more.pop("version", None), more.pop("start", None), more.pop("end", None))  # type: ignore[arg-type]
        values: dict[str, object] = {"prompt": "Describe it.", "variables": {}, "max_output_tokens": OUTPUT, **more}
        command = RequestGeneration(document_id=self.document_id, placement=place, **values)  # type: ignore[arg-type]
        return (await self.send(command, by or self.ada, key)).answer

    async def document(self) -> Document:
        found = await self.store.load(Document, self.document_id)
        assert found is not None
        return found

    async def generation(self, id: UUID) -> Generation:
        found = await self.store.load(Generation, id)
        assert found is not None
        return found

    async def budget(self) -> Budget:
        found = await self.store.load(Budget, Budget.id_of(Party("user", self.ada.user_id), month_of(self.now)))
        assert found is not None
        return found

    async def give_to_team(self) -> UUID:
        """Let a team of Ada's own the document."""
        team = await self.ask(FoundTeam(name="Lab", slug="lab"), self.ada)
        await self.ask(OfferDocumentToTeam(id=self.document_id, team_id=team.id), self.ada)
        await self.ask(AcceptDocument(id=self.document_id), self.ada)
        return team.id

    async def try_once(self) -> None:
        """Perform the jobs that wait, each once."""
        await self._react()
        waiting, self.jobs.waiting = self.jobs.waiting, []
        for job, at in waiting:
            self.jobs.waiting = [(job, at)]
            await self.jobs.perform_all(self.performer_ports)
