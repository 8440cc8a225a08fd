"""`palimpsest audit certificate`: certifies which rows follow from the history, and checks it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import LogKey
from infra.cli.progress_bar import bar_or_lines
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.settings.load import load
from infra.settings.model import Settings

if TYPE_CHECKING:
    from infra.audit.notes import VerifierKey
    from infra.replay.certificate import Certificate

WORK = "events"


def certificate(
    file: Annotated[Path, typer.Argument(help="File with the certificate.")],
    to: Annotated[
        int | None, typer.Option(help="Position of the last event; default: the last one that is sealed.", min=1)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Fold again, and compare with the certificate.")] = False,
    schema: Annotated[
        str | None, typer.Option(help="With --check: compare the tables of this replay, and fold nothing.")
    ] = None,
    key: LogKey = None,
) -> None:
    """Certify which rows of the read models follow from the history. Nothing but the file is written.

    Personal fields read as erased, so an erasure changes no certificate. With --check the command exits with 1 if the
    history or a table is not the one of the certificate, and names the first that differs.
    """
    if check and to is not None:
        raise typer.BadParameter("--check takes the position of the certificate", param_hint="--to")
    settings = load(part="auditor")
    if not check:
        _certify(settings, file, to)
    elif schema is None:
        _check(settings, file, key)
    else:
        _check_tables(settings, file, key, schema)


def _certify(settings: Settings, file: Path, to: int | None) -> None:
    from infra.bootstrap.sealer import signer_of
    from infra.bootstrap.write_side import part_url
    from infra.replay.certifying import certify
    from infra.sealing.key_source import KeySource
    from projections.kernel import read_models

    signer, url = signer_of(settings.audit, KeySource(settings.keys).read()), part_url(settings, "auditor")
    with _refusals(), bar_or_lines(WORK) as progress:
        note = asyncio.run(certify(url, signer, read_models(), to, progress))
    try:
        file.write_text(note, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{file} cannot be written ({error.strerror}).") from None
    typer.echo(f"{file} certifies what follows from the history.")


def _check(settings: Settings, file: Path, key: str | None) -> None:
    from infra.bootstrap.write_side import part_url
    from infra.replay.certifying import check
    from projections.kernel import read_models

    certified = _read(settings, file, key)
    with _refusals(), bar_or_lines(WORK) as progress:
        asyncio.run(check(part_url(settings, "auditor"), *certified, read_models(), progress))
    found = certified[1]
    Terminal().print(
        f"The {found.position} events are those of the certificate, and so is what follows from them: "
        f"{sum(table.rows for table in found.tables)} rows in {len(found.tables)} read models.",
        style="green",
    )


def _check_tables(settings: Settings, file: Path, key: str | None, schema: str) -> None:
    from infra.bootstrap.write_side import part_url
    from infra.replay.certifying import check_tables
    from projections.kernel import read_models

    _, certified = _read(settings, file, key)
    with _refusals():
        asyncio.run(check_tables(part_url(settings, "auditor"), certified, schema, read_models()))
    Terminal().print(f"The tables of {schema} are those of the certificate.", style="green")


def _read(settings: Settings, file: Path, key: str | None) -> "tuple[VerifierKey, Certificate]":
    """Return the key of the log, and a certificate that it has signed. `key`: as the option names it.

    Raises:
        SetupError: the file has no certificate of this log.
    """
    from infra.audit.notes import NoteRefused
    from infra.cli.log_access import key_of
    from infra.replay.certificate import Certificate

    verifier = key_of(settings, key)
    try:
        return verifier, Certificate.open(file.read_text(encoding="utf-8"), verifier)
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, NoteRefused) as error:
        raise SetupError(f"{file} is not a certificate of this log: {error}.") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Print why a history or a table is refused, and end with code 1."""
    from application.ports import NotSealedYet
    from infra.audit.continuity import HistoryRefused
    from infra.cli.log_access import database_errors
    from infra.replay.certifying import CertificateRefused
    from infra.replay.row_digest import Unstorable
    from infra.replay.table_digest import WrongTable

    try:
        with database_errors():
            yield
    except NotSealedYet as error:
        raise failure(f"The position is not sealed: {error}. `palimpsest sealer` seals the others.") from None
    except HistoryRefused as error:
        raise failure(f"The history is not the one that was signed: {error}. See: palimpsest audit verify") from None
    except (CertificateRefused, WrongTable) as error:
        raise failure(f"{error}.") from None
    except Unstorable as error:
        raise failure(f"{error}. So there is no digest: mend the code of that read model.") from None
