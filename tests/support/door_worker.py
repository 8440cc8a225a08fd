"""`palimpsest worker` with one more kind of job, which goes on until a test lets it end. Run as a module: that worker.

`GRACE`: an environment variable, the seconds for running jobs when the worker stops, in place of the ordinary ones.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from application.jobs import Job, performs
from infra.cli.main import main
from infra.jobs import worker
from tests.support.roles import RoleProcess, environment
from tests.support.servers import Database
from tests.support.waiting import until


class WaitAtDoor(Job, frozen=True, kw_only=True):
    """Ends once the door is open. `folder`: where the door is."""

    kind: ClassVar[str] = "wait_at_door"
    folder: str

    @property
    def effect_key(self) -> str:
        return self.kind


class Door:
    """Where jobs wait. It is a file, so that it is one for all processes."""

    def __init__(self, folder: Path) -> None:
        self._door = folder / "door"
        self._arrivals = folder / "arrivals"

    def open(self) -> None:
        """Let the jobs end that wait, and those that come later."""
        self._door.touch()

    def arrivals(self) -> list[int]:
        """The process of each try, in the order in which they began."""
        return [int(line) for line in self._arrivals.read_text().split()] if self._arrivals.exists() else []

    async def wait(self) -> None:
        """Wait until it is open."""
        with self._arrivals.open("a") as file:
            file.write(f"{os.getpid()}\n")
        await until(self._door.exists)


async def wait_at_door(job: WaitAtDoor) -> None:
    """Perform the kind."""
    await Door(Path(job.folder)).wait()


@contextmanager
def working(database: Database, folder: Path, number: int = 1, **settings: str) -> Iterator[list[RoleProcess]]:
    """So many worker processes, until the end."""
    variables = {**environment(database, None, 1, folder), **settings}
    workers = [RoleProcess("worker", variables, folder, [__name__]) for _ in range(number)]
    with ExitStack() as stack:
        for each in workers:
            stack.callback(each.kill)
            each.start()
        yield workers


if __name__ == "__main__":
    performs(wait_at_door)
    worker.GRACE_SECONDS = float(os.environ.get("GRACE", worker.GRACE_SECONDS))
    main()
