"""`palimpsest audit witness`: has a witness cosign the last checkpoint, and keeps it."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.options import LogKey
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.private_file import write_private
from infra.settings.load import load


def witness(
    url: Annotated[str, typer.Argument(help="Address of the witness, to which /add-checkpoint is added.")],
    witness_key: Annotated[str, typer.Argument(help="Key with which the witness cosigns, as it publishes it.")],
    file: Annotated[Path, typer.Argument(help="File for the cosigned checkpoint.")],
    log_key: LogKey = None,
) -> None:
    """Have a witness cosign the last checkpoint (C2SP tlog-witness), and write it to a file.

    The witness cosigns only what continues all that it has cosigned. If it refuses, the command exits with 1.
    The sealer asks the witnesses of PALIMPSEST_LOG_WITNESSES by itself.
    """
    from infra.audit.continuity import HistoryRefused
    from infra.audit.cosignatures import WitnessKey
    from infra.audit.cosigned_once import cosigned_last
    from infra.audit.notes import NoteRefused
    from infra.audit.witnessing import NotCosigned, Witness
    from infra.cli.log_access import key_of, open_log

    settings = load(part="auditor")
    try:
        key = WitnessKey.parse(witness_key)
    except NoteRefused as error:
        raise SetupError(f"WITNESS_KEY: {error}.") from None
    log = key_of(settings, log_key)
    try:
        with open_log(settings) as connection:
            last = cosigned_last(connection, log, Witness(key, url), settings.audit.witness_cafile)
        write_private(file, last.note)
    except NotCosigned as error:
        raise failure(f"{key.name} has not cosigned the last checkpoint: {error}.") from None
    except HistoryRefused as error:
        raise failure(f"There is nothing to cosign: {error}. See: palimpsest audit verify") from None
    except OSError as error:
        raise SetupError(f"{file} cannot be written ({error.strerror}).") from None
    Terminal().print(f"{key.name} has cosigned the checkpoint of {last.size} events.", style="green")
