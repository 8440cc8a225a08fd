"""The README's worked example works: its files are put into a copy of the project and used."""

import asyncio
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.example import copy_with_example, files
from tests.support.servers import Database

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
    assert len(files()) == 6
    await run(copy, "-m", "ruff", "check", *files())
    await run(copy, "-m", "ruff", "format", "--check", *files())
    await run(copy, "-m", "mypy", *files())


async def test_the_worked_example_runs_on_a_real_database(copy: Path, database: Database) -> None:
    (copy / "use.py").write_text(USE)
    await run(copy, "use.py", database.app_url)
