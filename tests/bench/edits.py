"""A large document that small requests change, and the blame of a long history, by one client."""

from collections.abc import Iterator
from random import Random
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from adapters.http.content.document import ContentEdits
from application.ports import Actor
from domain.content.document import Document
from domain.content.edits import Edit, edit
from domain.content.texts import CONTENT_LENGTH
from infra.bootstrap.write_side import WriteSide, utc_now
from tests.bench import ours, processes
from tests.bench.clients import Job, request, run
from tests.bench.harness import TEXT, Bench, Row, below
from tests.bench.http import DOCUMENTS, Services, open_services
from tests.support.servers import open_folder

EDITS, SAVES = 200, 1_000


def rows(bench: Bench) -> Iterator[Row]:
    """`PATCH` of a text of a million characters, then blame."""
    with open_folder() as folder, open_services(bench, folder) as services:
        yield _patches(bench, services)
        yield _blame(bench, services)


def _patches(bench: Bench, services: Services) -> Row:
    name = f"PATCH of a document of {CONTENT_LENGTH:,} characters with one small edit: p95"
    figures = []
    for _ in range(bench.rounds):
        [(user_id, token)] = services.users(1)
        id = services.own(_write_large, user_id)
        requests = [_edit(id, token, version) for version in range(1, bench.count(EDITS) + 1)]
        result = run(Job(services.port, [requests], 60, once=True))
        assert result.failures == 0
        figures.append(result.percentile(0.95))
        processes.wait_for_projector(services.database)
    return below(name, "ms", figures, 30)


def _edit(id: UUID, token: str, version: int) -> bytes:
    edits = {"edits": [{"at": 4_711 * version, "delete": 3, "insert": f"{version:08}"}]}
    headers = {"Content_Type": ContentEdits.MEDIA_TYPE, "If_Match": f'"{version}"', "Prefer": "return=minimal"}
    headers |= {"Authorization": f"Bearer {token}", "Idempotency_Key": str(uuid7())}
    return request("PATCH", f"{DOCUMENTS}/{id}", msgspec.json.encode(edits), **headers)


async def _write_large(core: WriteSide, owner_id: UUID) -> UUID:
    document = _document(TEXT * ((CONTENT_LENGTH - 10_000) // len(TEXT)), owner_id)
    await core.store.append([document], ours.CALL, None)
    return document.id


def _blame(bench: Bench, services: Services) -> Row:
    saves = bench.count(SAVES)
    [(user_id, token)] = services.users(1)
    id = services.own(_write_history, user_id, saves)
    processes.wait_for_projector(services.database)
    path = f"{DOCUMENTS}/{id}/versions/blame"
    job = Job(services.port, [[request("GET", path, Authorization=f"Bearer {token}")]], bench.seconds(3))
    results = [run(job) for _ in range(bench.rounds)]
    assert not any(result.failures for result in results)
    return below(f"blame of {saves:,} versions", "ms", [result.percentile(0.5) for result in results], 300)


async def _write_history(core: WriteSide, owner_id: UUID, saves: int) -> UUID:
    random, owner = Random(13), Actor(owner_id)
    document = _document(TEXT * 40, owner_id)
    for _ in range(saves - 1):
        at = random.randrange(len(document.content) - 10)
        edit(document, [Edit(at, 10, f"{random.random()}")], by=owner, now=utc_now())
    await core.store.append([document], ours.CALL, None)
    return document.id


def _document(content: str, owner_id: UUID) -> Document:
    return Document.create(id=uuid7(), owner_id=owner_id, title="T", content=content, now=utc_now())
