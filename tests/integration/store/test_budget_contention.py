"""Budgets under contention: parallel requests on real PostgreSQL, from two processes, exceed none."""

import asyncio
from uuid import UUID

from uuid_utils.compat import uuid7

from application.bus import Bus
from application.generation.generation import RequestGeneration
from application.ports import Actor, Busy, CommandContext
from domain.billing.budget import ALLOWANCES, Budget, BudgetExceeded, month_of
from domain.content.document import Document
from domain.generation.placement import Placement
from domain.kernel import Party
from infra.bootstrap.write_side import utc_now
from tests.support.generations import PlainModels, PlainTokens
from tests.support.memory_jobs import MemoryJobs
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

ADA = Actor(UUID(int=0xADA))
REQUESTS = 100


def bus_of(opened: Opened) -> Bus:
    """A bus of its own, as another process has one."""
    ports = {"clock": utc_now, "new_id": uuid7, "models": PlainModels(), "tokens": PlainTokens()}
    return Bus(opened.store, {**ports, "digests": opened.blind, "queue": MemoryJobs()}, opened.blind)


async def test_a_hundred_parallel_requests_at_a_budget_for_one_give_one(database: Database) -> None:
    async with open_store(database.app_url) as one, open_store(database.app_url) as two:
        now = utc_now()
        document = Document.create(id=uuid7(), owner_id=ADA.user_id, title="River", content="", now=now)
        payer, month = Party("user", ADA.user_id), month_of(now)
        budget = Budget.open(payer=payer, month=month, now=now)
        left = ALLOWANCES["free"].tokens - 6_000
        budget.reserve(uuid7(), tokens=left, micros=0, allowance=ALLOWANCES["free"], now=now)
        await one.store.append([document, budget], CALL, None)
        wish = RequestGeneration(
            document_id=document.id,
            prompt="Describe it.",
            variables={},
            placement=Placement(),
            max_output_tokens=4_000,
        )

        async def granted(bus: Bus) -> bool:
            try:
                await bus.send(wish, CommandContext(ADA, uuid7()))
            except (BudgetExceeded, Busy):
                return False
            return True

        buses = [bus_of(one), bus_of(two)]
        outcomes = await asyncio.gather(*[granted(buses[number % 2]) for number in range(REQUESTS)])
        assert sum(outcomes) == 1
        found = await one.store.load(Budget, Budget.id_of(payer, month))
        assert found is not None
        assert found.reserved_tokens <= ALLOWANCES["free"].tokens
    assert len(rows(database.admin_url, "SELECT FROM stored_events WHERE topic = %s", "generation.requested")) == 1
