"""A worker process of a parallel rebuild: loads one shard of the streams, then exits.

`infra/projector/rebuild/load_workers.py` starts it.
"""

import sys

import psycopg
import uvloop

from application.ports import Unavailable
from infra.bootstrap.lifetime import collect_rarely
from infra.bootstrap.write_side import open_write_side
from infra.errors import SetupError
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.rebuild.bulk_load import BulkLoader, TableReplaced, connect_to_load
from infra.projector.statements import NEXT
from infra.projector.table_writer import TableWriter
from infra.settings.load import load
from infra.telemetry.logs import configure_logging
from projections.kernel import read_models


async def load_shard(name: str, goal: int, start: int, stop: int, table: int) -> None:
    """Load the streams of hash slots `start` to `stop`, up to position `goal`, into the new table of a read model."""
    [model] = [model for model in read_models() if model.name == name]
    settings = load(part="projector")
    async with open_write_side(settings, "projector") as core, await connect_to_load(core.url) as connection:
        await core.guard.require()
        collect_rarely()
        skipped = await PROJECTIONS.skipped(connection, name)
        source = core.feed().shard(range(start, stop), goal)
        await BulkLoader(TableWriter(model, name + NEXT), source, connection, skipped, table).run(0, goal)


def main(name: str, *numbers: str) -> None:
    """Load the shard that the arguments describe. A known failure exits with a sentence, without a traceback."""
    configure_logging("ERROR", "console")
    try:
        uvloop.run(load_shard(name, *map(int, numbers)))
    except (SetupError, Unavailable, TableReplaced) as error:
        sys.exit(f"Rebuild worker: {error}")
    except psycopg.OperationalError as error:
        sys.exit(f"Rebuild worker: the database failed ({type(error).__name__})")


if __name__ == "__main__":
    main(*sys.argv[1:])
