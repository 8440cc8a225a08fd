"""The receipts that `palimpsest erase receipt` and `erase check` make and check."""

import sys
from pathlib import Path
from uuid import UUID

import typer
from eventsourcing.utils import get_topic

from application.privacy.erasing import ERASERS
from domain.kernel import Root, events_of
from domain.privacy.address import Address
from infra.audit.continuity import HistoryRefused
from infra.audit.erasure_receipt import ErasedSubject, NoReceipt, check_receipt, receipt
from infra.audit.notes import NoteRefused
from infra.bootstrap.sealer import signer_of
from infra.bootstrap.write_side import part_url
from infra.cli.log_access import database_errors, given_key
from infra.cli.terminal import failure
from infra.errors import SetupError
from infra.postgres.connect import connect
from infra.sealing.key_source import KeySource
from infra.settings.load import load


def print_receipt(kind: str, id: UUID) -> None:
    """Print the receipt of an erasure.

    Raises:
        Exit: there is none; a sentence says why.
    """
    settings = load(part="api")
    signer = signer_of(settings.audit, KeySource(settings.keys).read())
    roots: dict[str, type[Root]] = {**{name: root for name, (root, _) in ERASERS.items()}, Address.TOPIC: Address}
    topics = [get_topic(event) for event in events_of(roots[kind]) if event.erases]
    with database_errors(), connect(part_url(settings, "api")) as connection:
        try:
            note = receipt(connection, ErasedSubject(kind, id, topics), signer)
        except NoReceipt as reason:
            raise failure(f"There is no receipt: {reason}.") from None
        except HistoryRefused as reason:
            raise failure(f"There is no receipt: {reason}. See: palimpsest audit verify") from None
    typer.echo(note, nl=False)


def print_check(file: Path, key: str) -> None:
    """Say what a receipt says, if it is signed by a key; - reads the standard input.

    Raises:
        Exit: it is not.
        SetupError: the file cannot be read, or the key is none.
    """
    log = given_key(key)
    try:
        note = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        said = check_receipt(note, log)
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, NoteRefused) as reason:
        raise failure(f"It is no proof of anything: {reason}.") from None
    typer.echo(
        f"The log {log.name} has signed that the {said.kind} {said.id} was erased at {said.erased_at:%F %T} UTC."
    )
