"""A user who asks for texts, a provider that bills them, and workers: for tests in which workers stop or die."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.provider.catalogue import Catalogue
from adapters.provider.token_counter import TiktokenCounter
from application.bus import Bus
from application.content.document import CreateDocument
from application.generation.generation import RequestGeneration
from application.policy import POLICIES
from application.ports import Actor, CommandContext
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement, Target
from domain.generation.urgency import Urgency
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.policies.tables import register_policies
from tests.chaos import invariants_of_generation
from tests.chaos.evidence import Evidence, read_log
from tests.chaos.ledger import Ledger
from tests.chaos.run import customer
from tests.chaos.work import Kill, Work
from tests.support.billing_provider import BillingProvider, ProviderLedger, provider_settings
from tests.support.forks import ForkedProgram
from tests.support.memory_jobs import MemoryJobs
from tests.support.provider_servers import rude_provider
from tests.support.roles import environment
from tests.support.servers import Database
from tests.support.stores import Opened, open_store
from tests.support.worker_process import worker_process

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Asking:
    """Everything around the workers. `ledger`: what the provider has billed. `settings`: those of a worker."""

    database: Database
    folder: Path
    opened: Opened
    bus: Bus
    user_id: UUID
    document_id: UUID
    provider: BillingProvider
    ledger: ProviderLedger
    settings: dict[str, str]

    async def ask(self, target: Target = "append", urgency: Urgency = "now") -> UUID:
        """Ask for a text for the document. Returns the id of the generation."""
        wish = RequestGeneration(
            document_id=self.document_id,
            prompt="Write about otters.",
            variables={},
            placement=Placement(target),
            max_output_tokens=500,
            urgency=urgency,
        )
        return (await self.bus.send(wish, CommandContext(Actor(self.user_id), uuid7()))).answer.id

    async def generation(self, id: UUID) -> Generation:
        """Return a generation as it is."""
        found = await self.opened.store.load(Generation, id)
        assert found is not None
        return found

    async def until_over(self, id: UUID) -> Generation:
        """Wait for the end of a generation."""
        while True:
            generation = await self.generation(id)
            if not generation.is_open:
                return generation
            await asyncio.sleep(LOOK_SECONDS)

    async def content(self) -> str:
        """Return the content of the document."""
        found = await self.opened.store.load(Document, self.document_id)
        assert found is not None
        return found.content

    def worker(self, **settings: str) -> ForkedProgram:
        """A worker process."""
        return worker_process({**self.settings, **settings}, self.folder / "worker.log")

    async def violations(self, kills: list[Kill]) -> list[str]:
        """Return what does not hold of generations. `kills`: those after which the provider may be asked again."""
        work = Work([], [], 0, 0, self.ledger.calls(), kills)
        log = await read_log(self.opened.feed(), self.database.admin_url)
        evidence = Evidence(log, Ledger(), [], {}, {}, 0, work)
        verdicts = [verdict for _, check in invariants_of_generation.CHECKS for verdict in check(evidence)]
        return [verdict for verdict in verdicts if verdict is not True]


@asynccontextmanager
async def asking(database: Database, folder: Path, pause: float) -> AsyncIterator[Asking]:
    """Open all of it. `pause`: seconds between two pieces of a text, of which there are 10 to 40."""
    load_use_cases()
    register_policies(database.admin_url, POLICIES.values())
    ledger = ProviderLedger(folder / "provider.jsonl")
    async with open_store(database.app_url) as opened, rude_provider() as server:
        provider = BillingProvider(ledger, pause)
        server.script = provider.answer
        port = urlsplit(server.url).port
        assert port is not None
        user = await customer(opened, "asker")
        assert user.id is not None
        ports = {"models": Catalogue.read(None), "tokens": TiktokenCounter(), "digests": opened.blind}
        ports |= {"queue": MemoryJobs()}
        bus = Bus(opened.store, {"clock": utc_now, "new_id": uuid7, **ports}, opened.blind)
        creation = CreateDocument(title="Notes", content="The river.")
        made = (await bus.send(creation, CommandContext(Actor(user.id), uuid7()))).answer
        settings = {**environment(database, None, 1, folder), **provider_settings(port)}
        yield Asking(database, folder, opened, bus, user.id, made.id, provider, ledger, settings)
