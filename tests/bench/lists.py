"""Lists: a page of 50 out of 100,000 documents of one user, in several orders, at 4 clients and at 64."""

from collections.abc import Iterator
from random import Random
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from application.content.folder import CreateFolder
from application.ports import Actor, CommandContext
from domain.content.document import Document
from domain.content.filing import file, set_tags
from infra.bootstrap.write_side import WriteSide, utc_now
from tests.bench import ours, processes
from tests.bench.clients import Job, Result, request, run
from tests.bench.harness import Bench, Row, against, below
from tests.bench.http import DOCUMENTS, Services, open_services
from tests.support.servers import open_folder

HELD = 100_000
BATCH = 500
GOAL = 800
"""Requests a second at 64 clients."""
LISTS = {
    "the latest first": "limit=50",
    "by title": "limit=50&sort=title",
    "of a tag, by title": "limit=50&sort=title&tag=otters",
    "of a rare tag": "limit=50&tag=beavers",
    "of a folder, by title": "limit=50&sort=title&folder={}",
}
"""Queries; `{}` is the id of a folder."""


def rows(bench: Bench) -> Iterator[Row]:
    """Each list by itself, at 4 clients and then at 64."""
    with open_folder() as folder, open_services(bench, folder) as services:
        [(user_id, token)] = services.users(1)
        held = bench.count(HELD)
        place = services.own(_fill, user_id, held)
        processes.wait_for_projector(services.database)
        # As autovacuum does within a minute; without it PostgreSQL takes the tables for empty.
        with psycopg.connect(services.database.admin_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        for name, query in LISTS.items():
            asked = request("GET", f"{DOCUMENTS}?{query.format(place)}", Authorization=f"Bearer {token}")
            few, many = ([_listed(bench, services, asked, clients) for _ in range(bench.rounds)] for clients in (4, 64))
            title = f"50 of {held:,} documents {name}"
            yield below(f"{title}, 4 clients: p95", "ms", [result.percentile(0.95) for result in few], 15)
            rates, goal = [result.rate for result in many], [float(GOAL)] * bench.rounds
            yield against(f"{title}, 64 clients; beside it the goal", "requests/s", rates, goal, 1)


async def _fill(core: WriteSide, user_id: UUID, held: int) -> UUID:
    """Write documents: half with a tag, one of 1,000 with a rare one, one of 20 in a folder; return the id of it."""
    random, owner = Random(11), Actor(user_id)
    created = await core.bus({}).send(CreateFolder(name="River"), CommandContext(owner, uuid7()))
    for first in range(0, held, BATCH):
        documents = []
        for number in range(first, min(first + BATCH, held)):
            title = f"{random.randrange(held)} notes"
            one = Document.create(id=uuid7(), owner_id=user_id, title=title, content="Otters swim.", now=utc_now())
            set_tags(one, ["otters"] * (number % 2) + ["beavers"] * (number % 1_000 == 0), by=owner, now=utc_now())
            if number % 20 == 0:
                file(one, created.answer.id, by=owner, now=utc_now())
            documents.append(one)
        await core.store.append(documents, ours.CALL, None)
    return created.answer.id


def _listed(bench: Bench, services: Services, asked: bytes, clients: int) -> Result:
    result = run(Job(services.port, [[asked]] * clients, bench.seconds(3)))
    assert result.failures == 0
    return result
