"""Statements on PostgreSQL: pages of lines, sums of all, and who sees those of a team."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from domain.access import RoleTooLow
from domain.billing.budget import ALLOWANCES, Budget, Spender
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.kernel import Party
from domain.teams.joining import add_member
from domain.teams.team import Team
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.billing.budget_charge import BudgetCharges, StatementLine, statement, team_statement
from projections.generation.generation import Generations
from projections.page import BadCursor, write_cursor
from projections.teams.team import Teams
from projections.teams.team_roster import TeamRoster
from tests.support.given import ID, NOW, address_of, person
from tests.support.lives.generation.generation import answered, asked, river, started
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database

ADA, BOB, EVE = person(1), person(2), person(3)
MONTH = "2026-11"


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


def charged(payer: Party, *generations: UUID) -> Budget:
    """A budget that was charged for each generation: 10 tokens, then 20, and so on."""
    budget = Budget.open(payer=payer, month=MONTH, now=NOW)
    for number, id in enumerate(generations, 1):
        spender = Spender(ADA.user_id, ALLOWANCES["free"]) if payer.kind == "team" else None
        budget.reserve(id, tokens=100, micros=100, allowance=ALLOWANCES["free"], spender=spender, now=NOW)
        budget.settle(id, tokens=10 * number, micros=number, now=NOW)
    return budget


def team_of_ada() -> Team:
    """Ada's team, with Bob as a viewer."""
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    add_member(team, user_id=BOB.user_id, address_id=address_of(BOB), role="viewer", now=NOW)
    return team


def texts(document: Document) -> tuple[Generation, Generation]:
    """A generation that is done, and one that was erased."""
    done = answered(started(asked(document, Placement("draft")), document), document)
    gone = asked(document, Placement("draft"), 0x6F)
    gone.erase(now=NOW)
    return done, gone


async def test_a_statement_has_the_sums_of_the_month_and_its_lines_page_by_page(
    rows: PooledReadStore, database: Database
) -> None:
    document = river()
    done, gone = texts(document)
    own, lost = Party("user", ADA.user_id), UUID(int=0x70)
    events = news(done, gone, charged(own, done.id, gone.id, lost), charged(Party("user", BOB.user_id), lost))
    async with projecting([BudgetCharges(), Generations()], MemoryFeed(events), database.app_url) as running:
        await running.reached()
    first = await statement(rows, ADA, MONTH, limit=2)
    assert (first.payer_id, first.month, first.tokens, first.micros) == (ADA.user_id, MONTH, 60, 6)
    assert first.items == [
        StatementLine(3, done.id, document.id, ADA.user_id, "swift", 10, 1, NOW),
        StatementLine(5, gone.id, None, None, None, 20, 2, NOW),
    ]
    rest = await statement(rows, ADA, MONTH, cursor=first.next, limit=2)
    assert ([line.generation_id for line in rest.items], rest.tokens, rest.next) == ([lost], 60, None)
    other = await statement(rows, ADA, "2026-12")
    assert (other.tokens, other.items, other.next) == (0, [], None)
    with pytest.raises(BadCursor):
        await statement(rows, ADA, MONTH, cursor=write_cursor(["x"]))


async def test_admins_see_the_statement_of_their_team(rows: PooledReadStore, database: Database) -> None:
    events = news(team_of_ada(), charged(Party("team", ID), UUID(int=0x70)))
    models = [BudgetCharges(), Generations(), Teams(), TeamRoster()]
    async with projecting(models, MemoryFeed(events), database.app_url) as running:
        await running.reached()
    seen = await team_statement(rows, ADA, ID, MONTH)
    assert seen is not None
    assert (seen.payer_kind, seen.payer_id, seen.tokens, len(seen.items)) == ("team", ID, 10, 1)
    with pytest.raises(RoleTooLow):
        await team_statement(rows, BOB, ID, MONTH)
    assert await team_statement(rows, EVE, ID, MONTH) is None
