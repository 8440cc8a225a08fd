"""Folds a log into digests, without tables: it only reads the log, with no key, and writes nothing."""

from collections.abc import Sequence

from application.ports import RecordedEvent
from infra.postgres.projector_connection import connect
from infra.progress import Progress
from infra.projector.table_writer import TableWriter
from infra.replay.certificate import CertifiedTable
from infra.replay.fold import fold_streams
from infra.replay.row_digest import TableDigest
from infra.replay.stream_order import whole_streams
from infra.store.log_rows import LogRow, decode_rows_without_keys
from projections.kernel import Key, Poison, ReadModel, Row


class DigestTarget:
    """Implements `RowTarget`: hashes the rows of a read model."""

    def __init__(self, model: ReadModel) -> None:
        self.writer = TableWriter(model)
        self._digest = TableDigest(model.table)
        self._quarantined = 0

    async def add(self, rows: list[tuple[Key, Row]], events: Sequence[RecordedEvent], poisons: list[Poison]) -> None:
        """See `RowTarget.add`.

        Raises:
            Unstorable: PostgreSQL would refuse one of the rows.
        """
        self._quarantined += len(poisons)
        self._digest.add(rows)

    async def add_sums(self, rows: list[tuple[Key, Row]]) -> None:
        """See `RowTarget.add_sums`. Raises as `add`."""
        self._digest.add(rows)

    def certified(self) -> CertifiedTable:
        """Return what a certificate says of the table."""
        writer, digest = self.writer, self._digest
        return CertifiedTable(writer.name, writer.version, digest.rows, self._quarantined, digest.digest())


async def digests(
    url: str, models: Sequence[ReadModel], position: int, progress: Progress = lambda *_: None
) -> tuple[CertifiedTable, ...]:
    """Fold the events up to a position with an empty keyring. Returns a digest for each model, by name.

    Raises:
        Unstorable: PostgreSQL would refuse a row.
        Unavailable: the database does not answer.
    """
    targets = [DigestTarget(model) for model in sorted(models, key=lambda model: model.name)]
    async with await connect(url, statement_timeout="0") as connection:
        await fold_streams(whole_streams(connection, position, decode_without_keys), targets, position, progress)
    return tuple(target.certified() for target in targets)


async def decode_without_keys(rows: Sequence[LogRow]) -> list[RecordedEvent]:
    """Decode rows with an empty keyring: all personal fields read as erased."""
    return decode_rows_without_keys(rows)
