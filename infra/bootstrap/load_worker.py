"""A worker process of a parallel rebuild: loads one shard of the streams, then ends.

Started by `infra/projector/rebuild/load_workers.py`.
"""

import sys

import psycopg
import uvloop

from application.ports import Unavailable
from infra.bootstrap.lifetime import collect_rarely
from infra.bootstrap.write_side import open_write_side
from infra.errors import SetupError
from infra.projector import checkpoints
from infra.projector.rebuild.bulk_load import BulkLoader, TableReplaced, connect_to_load
from infra.projector.statements import NEXT
from infra.projector.table_writer import TableWriter
from infra.settings.model import load
from infra.telemetry import telemetry
from projections.kernel import read_models


async def help_with(name: str, goal: int, start: int, stop: int, table: int) -> None:
    """Load what the streams of some slots say up to `goal` into the table of the read model's successor."""
    [model] = [model for model in read_models() if model.name == name]
    async with open_write_side(load()) as core, await connect_to_load(core.url) as connection:
        collect_rarely()
        skipped = await checkpoints.skipped(connection, name)
        source = core.feed().shard(range(start, stop), goal)
        await BulkLoader(TableWriter(model, name + NEXT), source, connection, skipped, table).run(0, goal)


def main(name: str, *numbers: str) -> None:
    """Help, as the arguments say. A known failure is a sentence."""
    telemetry.configure_logging("ERROR", "console")
    try:
        uvloop.run(help_with(name, *map(int, numbers)))
    except (SetupError, Unavailable, TableReplaced) as error:
        sys.exit(f"A process that helps to rebuild: {error}")
    except psycopg.OperationalError as error:
        sys.exit(f"A process that helps to rebuild: the database failed ({type(error).__name__})")


if __name__ == "__main__":
    main(*sys.argv[1:])
