"""The README's worked example works: its files are put into a copy of the project and used."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.example import copy_with_example, files
from tests.support.servers import Database
from tests.support.stores import KEYS, rows
from tests.support.waiting import wait_until

USE = dedent(
    '''
    """Sends the example's commands and reads its read model."""

    import asyncio, sys
    from uuid import UUID, uuid4

    from application.bus import Bus
    from application.content.bookmark import PlaceBookmark, RemoveBookmark
    from application.ports import Actor, CommandContext
    from domain.identity.user import User
    from domain.kernel import NotFound
    from infra.bootstrap.projections import prepare_tables, project
    from infra.bootstrap.write_side import utc_now
    from infra.postgres.read_store import PooledReadStore
    from projections.content.bookmark import reading_list
    from projections.kernel import read_models
    from tests.support.stores import open_store


    async def main(url: str) -> None:
        models = [model for model in read_models() if model.name == "reading_list"]
        await prepare_tables(url, models)
        async with open_store(url) as opened:
            bus = Bus(opened.store, {"clock": utc_now}, opened.blind)
            rows = PooledReadStore(opened.database)
            ada = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=utc_now())
            context = CommandContext(actor=Actor(ada.id), correlation_id=uuid4())
            await opened.store.append([ada], context, None)
            listed = lambda: reading_list(rows, opened.store, ada.id)
            first, second = (PlaceBookmark(document_id=UUID(int=n), note=f"note {n}") for n in (1, 2))
            await bus.send(first, context)
            await bus.send(second, context)
            assert (await bus.send(first, context)).position is None
            await bus.send(RemoveBookmark(document_id=first.document_id), context)
            projecting = asyncio.create_task(project(models, opened.feed(), rows, url))
            await until(listed, ["note 2"])
            await bus.send(first, context)
            await until(listed, ["note 2", "note 1"])
            ada.erase(now=utc_now())
            await opened.store.append([ada], context, None)
            await until(listed, ["[erased]", "[erased]"])
            try:
                await bus.send(RemoveBookmark(document_id=second.document_id), context)
                await bus.send(second, context)
            except NotFound:
                projecting.cancel()
            else:
                raise AssertionError("a note was sealed for an erased user")


    async def until(listed, notes: list[str]) -> None:
        while [item.note for item in await listed()] != notes:
            await asyncio.sleep(0.02)


    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
    '''
)

TRASH = dedent(
    '''
    """Marks a document for a reader, then moves it to the trash."""

    import asyncio, sys
    from uuid import UUID, uuid4

    from application.ports import Actor, CommandContext
    from domain.content.bookmark import Bookmark
    from domain.content.document import Document
    from domain.identity.user import User
    from infra.bootstrap.write_side import utc_now
    from tests.support.stores import open_store


    async def main(url: str) -> None:
        async with open_store(url) as opened:
            ada = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=utc_now())
            notes = Document.create(id=uuid4(), owner_id=ada.id, title="Notes", content="", now=utc_now())
            mark = Bookmark.place(user_id=ada.id, document_id=notes.id, note="", now=utc_now())
            await opened.store.append([ada, notes, mark], CommandContext(None, uuid4()), None)
            notes = await opened.store.load(Document, notes.id)
            notes.trash(by=Actor(ada.id), now=utc_now())
            await opened.store.append([notes], CommandContext(None, uuid4()), None)


    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
    '''
)
POLICIES = "SELECT name FROM policies"
JOBS = "SELECT args ->> 'kind', status::text FROM jobs.procrastinate_jobs"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project with the example in it."""
    return copy_with_example(tmp_path)


async def run(copy: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_worked_example_passes_its_own_test(copy: Path) -> None:
    await run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/content/test_bookmark.py")


async def test_the_worked_example_is_clean(copy: Path) -> None:
    modules = [path for path in files() if path.endswith(".py")]
    assert len(files()) == 8
    assert len(modules) == 7
    await run(copy, "-m", "ruff", "check", *modules)
    await run(copy, "-m", "ruff", "format", "--check", *modules)
    await run(copy, "-m", "mypy", *modules)


async def test_the_worked_example_runs_on_a_real_database(copy: Path, database: Database) -> None:
    (copy / "use.py").write_text(USE)
    await run(copy, "use.py", database.app_url)


def test_the_policy_of_the_worked_example_causes_one_mail(copy: Path, database: Database, tmp_path: Path) -> None:
    (copy / "trash.py").write_text(TRASH)
    data = tmp_path / "data"
    data.mkdir()
    settings = {
        "DATABASE_URL": database.app_url,
        "PALIMPSEST_DATA_DIR": str(data),
        "PALIMPSEST_METRICS_PORT": "0",
        **KEYS,
    }
    command = [sys.executable, "-m", "infra.cli.main", "worker"]
    worker = subprocess.Popen(command, cwd=copy, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: ("report_lost_documents",) in rows(database.admin_url, POLICIES))
        asyncio.run(run(copy, "trash.py", database.app_url))
        wait_until(lambda: ("report_lost_document", "succeeded") in rows(database.admin_url, JOBS))
    finally:
        worker.terminate()
        worker.wait()
    [mail] = [mail.read_text() for mail in data.glob("mail/*.eml")]
    assert "To: ada@example.org" in mail
    assert "Subject: A document on your reading list is gone" in mail
