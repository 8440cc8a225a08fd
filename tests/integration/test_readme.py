"""The README's worked example works: its files are put into a copy of the house and used."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.servers import Database

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n# (?P<path>\S+)\n(?P<code>.*?)```", re.DOTALL)

USE = dedent(
    '''
    """Sends the example's commands and reads its read model."""

    import asyncio, sys
    from uuid import UUID, uuid4

    from application.bookmark import PlaceBookmark, RemoveBookmark
    from application.bus import Bus
    from application.ports import Actor, CommandContext
    from infra.bootstrap.write_side import utc_now
    from infra.bootstrap.projections import prepare_tables, project
    from infra.postgres.read_store import PooledReadStore
    from projections.kernel import read_models
    from projections.reading_list import reading_list
    from tests.support.stores import open_store


    async def main(url: str) -> None:
        models = [model for model in read_models() if model.name == "reading_list"]
        await prepare_tables(url, models)
        async with open_store(url) as opened:
            bus = Bus(opened.store, {"clock": utc_now}, opened.blind)
            rows = PooledReadStore(opened.database)
            call = CommandContext(actor=Actor(uuid4()), correlation_id=uuid4())
            first, second = (PlaceBookmark(document_id=UUID(int=n), note=f"note {n}") for n in (1, 2))
            await bus.send(first, call)
            await bus.send(second, call)
            assert (await bus.send(first, call)).position is None
            await bus.send(RemoveBookmark(document_id=first.document_id), call)
            projecting = asyncio.create_task(project(models, opened.feed(), rows, url))
            await until(rows, call, ["note 2"])
            await bus.send(first, call)
            await until(rows, call, ["note 2", "note 1"])
            projecting.cancel()


    async def until(rows: PooledReadStore, call: CommandContext, notes: list[str]) -> None:
        while [item.note for item in await reading_list(rows, call.actor.user_id)] != notes:
            await asyncio.sleep(0.02)


    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
    '''
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house with the example built in."""
    for folder in ("domain", "application", "projections", "adapters", "infra", "tests"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for block in BLOCK.finditer((PROJECT / "README.md").read_text()):
        target = tmp_path / block["path"]
        assert not target.exists(), f"{block['path']} is not new"
        target.write_text(block["code"])
    return tmp_path


async def run(house: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=house, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_worked_example_passes_its_own_test(house: Path) -> None:
    await run(house, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_bookmark.py")


async def test_the_worked_example_is_clean(house: Path) -> None:
    files = [block["path"] for block in BLOCK.finditer((PROJECT / "README.md").read_text())]
    assert len(files) == 4
    await run(house, "-m", "ruff", "check", *files)
    await run(house, "-m", "ruff", "format", "--check", *files)
    await run(house, "-m", "mypy", *files)


async def test_the_worked_example_runs_on_a_real_database(house: Path, database: Database) -> None:
    (house / "use.py").write_text(USE)
    await run(house, "use.py", database.app_url)
