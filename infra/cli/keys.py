"""`palimpsest keys`: shows the keys, rotates them while everything runs, backs data keys up and restores them."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import psycopg
import typer
from rich.table import Column, Table

from infra.bootstrap.erasure_list import erasing_topics
from infra.cli.progress_bar import progress_bar
from infra.cli.repeated_erasures import repeat_before_restore, repeat_erasures
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.postgres.connect import Connection, as_part, connect
from infra.sealing import rotation
from infra.sealing.key_backup import KEPT_FOR, BackupRefused, open_backup, restore_backup, write_backup
from infra.sealing.key_ring import UNCHANGING, KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.process_keys import stamping_of
from infra.sealing.store_keys import StoreKeys
from infra.settings.load import load, load_for_migration
from infra.settings.tokens import MAX_TOKEN_SECONDS

app = typer.Typer(help="Manage the keys.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Terminal(stderr=True)

PROPAGATION_SECONDS = 6.0
"""The time that running processes get to take up a changed key file."""

MAX_IDS_SHOWN = 10
DATA_KEYS = "SELECT kek_id, count(*) FROM data_keys WHERE wrapped IS NOT NULL GROUP BY kek_id"


@app.command("list")
def list_keys() -> None:
    """Show all keys: state, and what they protect. Secrets are not shown."""
    settings = load()
    ring = KeySource(settings.keys).read()
    with _database() as connection:
        states = {(row.kind, row.id): row.state for row in rotation.recorded(connection)}
        wrapped = dict(connection.execute(DATA_KEYS).fetchall())
    table = Table(Column("kind", no_wrap=True), "id", "in the document", "in the database", "until", "data keys")
    for key in ring.keys:
        number = str(wrapped.get(key.id, 0)) if key.kind is KeyKind.KEY_ENCRYPTION else ""
        until = "" if key.until is None else str(key.until)
        table.add_row(key.kind, key.id, key.state, states.get((key.kind, key.id), "not recorded"), until, number)
    Terminal().print(table)


@app.command()
def rotate(kind: Annotated[KeyKind, typer.Argument(help="Kind of the key to replace.")]) -> None:
    """Replace a key while everything runs. Interrupted: run it again, and it goes on.

    A key file is changed in place. Keys from a variable or a command: the new key document is printed; store it, and
    run this again, until it says that the rotation is complete. Do not change the document in another way meanwhile.
    """
    if kind in UNCHANGING:
        raise SetupError(f"The {kind} key cannot be rotated: {UNCHANGING[kind]}.")
    source = KeySource(load().keys)
    with _database() as connection:
        rotation.lock(connection)
        document = _KeyDocument(source)
        rows = rotation.compared(connection, document.ring)
        if not rotation.is_unfinished(document.ring, rows, kind):
            ring = document.ring.without_expired(time.time()).with_next(kind)
            document.deliver(ring, f"Made a new {kind} key, not used yet.")
        if (next_key := document.ring.next(kind)) is not None:
            rotation.promote(connection, next_key)
            document.deliver(document.ring.promoted(kind), f"The new {kind} key is in use.")
        document.require_unchanged()
        _retire(connection, document, kind)
    console.print(f"The rotation is complete: the {kind} key is '{document.ring.current(kind).id}'.", style="green")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Folder of the backups; not where those of the database are.")],
) -> None:
    """Write all data keys into a private file. It is restored for a week only: make one each day.

    The keys in it are wrapped by the key-encryption key, which is in the key document. Older files of the folder are
    removed.
    """
    ring = KeySource(load().keys).read()
    try:
        with _database() as connection:
            written = write_backup(connection, _stamps(connection, ring), folder, datetime.now(UTC))
    except OSError as error:
        raise SetupError(f"The backup cannot be written into {folder} ({error.strerror}).") from None
    typer.echo(f"{written.file} has {written.keys} data keys. It is refused after {KEPT_FOR.days} days.")
    for file in written.unknown:
        console.print(f"{file} is never removed: its name does not say when it was made.", style="yellow")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="File that `palimpsest keys backup` has written.")]) -> None:
    """Restore data keys that the database lacks, after its backup without them. Erasures since are repeated."""
    settings = load(part="api")
    ring = KeySource(settings.keys).read()
    kek_ids = {key.id for key in ring.keys if key.kind is KeyKind.KEY_ENCRYPTION}
    try:
        with _database() as connection:
            stamps = _stamps(connection, ring)
            checked = open_backup(file, stamps, datetime.now(UTC))
            repeated = repeat_before_restore(settings)
            restored = restore_backup(connection, stamps, kek_ids, checked, erasing_topics())
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}).") from None
    except BackupRefused as reason:
        raise SetupError(f"{file} is not restored: {reason}.") from None
    repeated += repeat_erasures(settings)
    typer.echo(
        f"{restored.keys} data keys are restored, and {restored.receipts} receipts of erased ones. {repeated} streams "
        "that were erased since were erased again."
    )


def _stamps(connection: Connection, ring: KeyRing) -> StoreKeys:
    return StoreKeys(*stamping_of(ring, rotation.compared(connection, ring)))


class _KeyDocument:
    """The key document during a rotation. `ring`: as it was read, or written last."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self.ring = source.read()

    def require_unchanged(self) -> None:
        """Compare the document with `ring`.

        Raises:
            SetupError: it has been changed.
        """
        if self._source.read() != self.ring:
            raise SetupError(
                f"The key document of {self._source.place} was changed during the rotation. Restore the one that the "
                "rotation wrote, then run this again."
            )

    def deliver(self, ring: KeyRing, news: str, *, last: bool = False) -> None:
        """Bring a changed document to all processes. Where a file cannot be changed, print it, and stop unless `last`.

        Raises:
            SetupError: the document was changed by others.
        """
        self.require_unchanged()
        self.ring = ring
        console.print(news)
        if self._source.is_file:
            self._source.write(ring)
            if not last:
                time.sleep(PROPAGATION_SECONDS)
            return
        typer.echo(ring.document(), nl=False)
        console.print(f"Store the key document above where {self._source.place} finds it.")
        if not last:
            console.print(
                "Restart the processes (keys from a variable) or wait a minute (from a command). Then run this again."
            )
            raise typer.Exit(0)


def _retire(connection: Connection, document: _KeyDocument, kind: KeyKind) -> None:
    """Make the earlier keys of the kind unnecessary, and retire them."""
    ring = document.ring
    if kind is KeyKind.KEY_ENCRYPTION:
        with progress_bar("sealing jobs again") as progress:
            lost = rotation.reseal_jobs(connection, ring, progress)
        if lost:
            _report_lost(lost)
        with progress_bar("wrapping data keys again") as progress:
            damaged = rotation.rewrap(connection, ring, progress)
        if damaged:
            _keep_earlier(ring, damaged)
        document.deliver(ring.without_earlier(kind), "No data key needs the earlier key any more.", last=True)
    elif kind is KeyKind.STORE:
        position = rotation.retire_store_keys(connection, ring)
        limited = ring.limited(kind, position)
        document.deliver(limited, f"The earlier key counts for events up to position {position}.", last=True)
    else:
        # Every process signs with the new key by now.
        rotation.retire_signing_keys(connection)
        limited = ring.limited(kind, int(time.time()) + MAX_TOKEN_SECONDS)
        document.deliver(limited, "Tokens of the earlier key are taken until they expire.", last=True)


def _report_lost(jobs: Collection[int]) -> None:
    """Name jobs that do not open. They do not stop the rotation: they open under no key."""
    ids = ", ".join(map(str, sorted(jobs)[:MAX_IDS_SHOWN]))
    others = " and others" if len(jobs) > MAX_IDS_SHOWN else ""
    console.print(
        f"Jobs that do not open: {len(jobs)}, with the ids {ids}{others}. They cannot be performed. "
        "Discard each with: palimpsest jobs discard ID",
        style="yellow",
    )


def _keep_earlier(ring: KeyRing, damaged: Collection[UUID]) -> NoReturn:
    """Stop before the earlier key is removed from the document: data keys of these subjects do not open."""
    earlier = " and ".join(f"'{key.id}'" for key in ring.earlier(KeyKind.KEY_ENCRYPTION))
    ids = ", ".join(sorted(map(str, damaged))[:MAX_IDS_SHOWN])
    others = " and others" if len(damaged) > MAX_IDS_SHOWN else ""
    console.print(
        f"Data keys that do not open: {len(damaged)}, of the subjects {ids}{others}. All others are under the new key, "
        f"and no process uses the earlier key {earlier} any more. It stays in the key document, because it may open "
        "these, too, once their rows of data_keys are restored from a backup. Restore them, or erase the subjects; "
        f"then run this again. If neither is possible, remove {earlier} from the key document.",
        style="yellow",
    )
    raise typer.Exit(1)


@contextmanager
def _database() -> Iterator[Connection]:
    """A connection of the owner: no other role may change the table of keys."""
    url = as_part(load_for_migration().owner.url.get_secret_value(), "owner")
    try:
        with connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise SetupError("The schema is missing. Run: palimpsest migrate") from None
    except psycopg.OperationalError as error:
        raise SetupError(f"The database failed ({type(error).__name__}). `palimpsest doctor` says more.") from None
