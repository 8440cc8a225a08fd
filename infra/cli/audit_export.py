"""`palimpsest audit export`: writes a range of the log to a file that can be checked without network."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from infra.cli.options import LogKey, Quorum, TrustedWitness
from infra.cli.progress_bar import progress_bar
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.settings.load import load


def export(
    file: Annotated[Path, typer.Argument(help="File to write; -: the output.")],
    first: Annotated[int, typer.Option("--from", help="Position of the first event.", min=1)] = 1,
    last: Annotated[
        int | None,
        typer.Option("--to", help="Position of the last event; default: of the last sealed one.", min=1),
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Also write the stored bytes of each event.")] = False,
    key: LogKey = None,
    witness: TrustedWitness = None,
    quorum: Quorum = None,
) -> None:
    """Export a range of the log with its proof. infra/audit/check_proof.py checks it without network.

    It names streams, types and times, so only its owner can read the file. Personal fields stay sealed.
    """
    from infra.audit.continuity import HistoryRefused
    from infra.audit.export import ExportRange, OutsideOfLog
    from infra.audit.export import export as write_range
    from infra.audit.published import NotEnoughWitnesses
    from infra.cli.log_access import key_of, open_log, policy_of

    settings = load(part="auditor")
    verifier, wanted = key_of(settings, key), ExportRange(first, last, policy_of(witness, quorum))
    with open_log(settings) as connection, progress_bar("exporting") as progress, _opened(file) as output:
        try:
            number = write_range(connection, verifier, wanted, output.write, progress, events=events)
        except (OutsideOfLog, NotEnoughWitnesses) as error:
            raise failure(f"There is nothing to export: {error}.") from None
        except HistoryRefused as error:
            raise failure(f"There is no export: {error}. See: palimpsest audit verify") from None
    Terminal(stderr=True).print(f"{number} events are exported.", style="green")


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    """The output, or a private file that takes its name once it is complete."""
    if str(file) == "-":
        yield sys.stdout
        return
    draft = file.with_name(f".{file.name}.draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as output:
                yield output
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{file} cannot be written ({error.strerror}).") from None
