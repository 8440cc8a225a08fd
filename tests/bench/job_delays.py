"""From an event to the start of its job: the worker role, with one more policy and kind, beside 100 appends a second.

The clock starts when the append is acknowledged, and stops when the performer is called. Run as a module: the worker.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import psycopg

from application.jobs import Job, performs
from application.policy import Reaction, policy
from domain.content.document import Document
from infra.bootstrap import worker
from infra.settings.model import Settings
from infra.telemetry.logs import configure_logging
from tests.bench import ours
from tests.bench.processes import running
from tests.bench.visible import append
from tests.support.servers import Database, open_folder
from tests.support.waiting import wait_until

RATE, SETTLING_SECONDS, PATIENCE = 100, 3.0, 2.0
HAS_BEGUN = "SELECT FROM policies WHERE name = 'note_document'"
POSITIONS = "SELECT notification_id, originator_id FROM stored_events"


class NoteStart(Job, frozen=True, kw_only=True):
    """A job for each new document."""

    kind: ClassVar[str] = "note_start"
    document_id: UUID

    @property
    def effect_key(self) -> str:
        return f"note_start:{self.document_id}"


def note_document(event: Document.Created) -> list[Reaction]:
    """One job."""
    return [NoteStart(document_id=event.originator_id)]


async def note_start(job: NoteStart) -> None:
    """Write down when it is called: the clock counts from the start of the machine, for all processes."""
    print(job.document_id, time.perf_counter(), flush=True)


def delays(database: Database, seconds: float) -> list[float]:
    """The delays of the jobs of all events in milliseconds, the shortest first."""
    with open_folder() as folder, ours.opened(database) as own, _worker(database, folder) as starts:
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(HAS_BEGUN).fetchone() is not None)
            own(append, SETTLING_SECONDS, RATE)
            acknowledged = own(append, seconds, RATE)
            time.sleep(PATIENCE)
            documents: dict[int, UUID] = dict(connection.execute(POSITIONS).fetchall())
        started = dict(line.split() for line in starts.read_text().splitlines())
    return sorted(
        max(0.0, float(started.get(str(documents[position]), inf)) - moment) * 1000 for position, moment in acknowledged
    )


@contextmanager
def _worker(database: Database, folder: Path) -> Iterator[Path]:
    """The worker; answers the file with what its jobs write down."""
    environment = {**ours.environment(database), "PALIMPSEST_DATA_DIR": str(folder)}
    starts = folder / "starts"
    with starts.open("wb") as output, running(__name__, environment=environment, stdout=output):
        yield starts


if __name__ == "__main__":
    configure_logging("ERROR", "console")
    policy()(note_document)
    performs(note_start)
    worker.run(Settings.from_variables(os.environ))
