"""`palimpsest audit`: proves and verifies the history of the log; says who may read the history of others."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.audit_certificate import certificate
from infra.cli.audit_export import export
from infra.cli.audit_replay import replay
from infra.cli.audit_travel import at, caused, diff, events
from infra.cli.audit_witness import witness
from infra.cli.options import LogKey, Quorum, TrustedWitness
from infra.cli.progress_bar import progress_bar
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.settings.load import load
from infra.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.audit.notes import VerifierKey
    from infra.audit.published import WitnessPolicy
    from infra.audit.tables import SignedCheckpoint
    from infra.postgres.connect import Connection

app = typer.Typer(
    help="Prove and verify the history.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

NOTHING_SEALED = (
    "None of {} events is sealed, so nothing was verified. If no sealer has run yet, this is no damage: start one with "
    "`palimpsest sealer` or `palimpsest up`, and verify then. If one has run, the tables of the tree were emptied: "
    "a checkpoint that was kept shows it (`palimpsest audit verify --checkpoint FILE`)."
)

for command in (certificate, export, replay, witness, at, diff, events, caused):
    app.command()(command)


@app.command()
def key() -> None:
    """Print the key with which others check the signatures of the log. Publish it where it cannot be changed."""
    from infra.cli.log_access import own_key

    typer.echo(str(own_key(load(part="auditor"))))


@app.command()
def prove(
    position: Annotated[int, typer.Argument(help="Position of the event.", min=1)],
    witness: TrustedWitness = None,
    quorum: Quorum = None,
) -> None:
    """Print a proof that an event is in the log (a .tlog-proof file). infra/audit/check_proof.py checks it offline."""
    from infra.audit import tables
    from infra.audit.proving import proof_from, tiles_for_proof
    from infra.audit.published import NotEnoughWitnesses, published
    from infra.audit.tree import ProofRefused
    from infra.cli.log_access import open_log, policy_of

    policy, index = policy_of(witness, quorum), position - 1
    with open_log(load(part="auditor")) as connection:
        try:
            found = published(connection, policy, position)
            if found is None or found.size < position:
                raise failure(f"Position {position} is not sealed: {found.size if found else 0} events are.")
            proof = proof_from(tables.tiles(connection, tiles_for_proof(index, found.size)), index, found.note)
        except NotEnoughWitnesses as error:
            raise failure(f"Position {position} cannot be proved as you ask: {error}.") from None
        except ProofRefused as error:
            raise failure(f"Position {position} cannot be proved: {error}. See: palimpsest audit verify") from None
    sys.stdout.write(str(proof))


@app.command()
def verify(
    key: LogKey = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="File with a checkpoint that you have kept; the log must continue it.")
    ] = None,
    personal: Annotated[
        bool,
        typer.Option("--personal", help="Also open each event and its personal fields, with our keys. Takes longer."),
    ] = False,
    witness: TrustedWitness = None,
    quorum: Quorum = None,
) -> None:
    """Verify the whole store: each event, each tile, each signature. Exits with 1 and the first wrong position."""
    from infra.audit.differences import WrongPosition
    from infra.audit.verification import verify as examine
    from infra.cli.log_access import key_of, open_log, policy_of

    settings = load(part="auditor")
    verifier, policy = key_of(settings, key), policy_of(witness, quorum)
    own = [] if key else _own_files(settings)
    kept = [_kept(file, verifier) for file in [*own, *(checkpoint or [])]]
    with open_log(settings) as connection, progress_bar("verifying") as progress:
        try:
            found = examine(connection, verifier, progress, kept)
            cosigned = _cosigned(connection, policy, kept)
        except WrongPosition as error:
            raise failure(f"Position {error.position}: {error}.") from None
    if found.unsealed and not found.events:
        raise failure(NOTHING_SEALED.format(found.unsealed))
    Terminal().print(
        f"{found.events} events are those that were signed, in {found.checkpoints} checkpoints. "
        f"{found.unsealed} later events are not sealed yet.",
        style="green",
    )
    if found.cosignatures:
        Terminal().print(f"{found.cosignatures} cosignatures of witnesses are of these checkpoints.", style="green")
    for line in cosigned:
        Terminal().print(line, style="green")
    if personal:
        _verify_personal()


ReasonText = Annotated[str, typer.Option(help="Why: kept in the history of the account.", prompt=True)]


@app.command()
def appoint(
    address: Annotated[str, typer.Argument(help="Email address of an account.")],
    reason: ReasonText,
) -> None:
    """Let a user read the history of others (/v1/audit). Each read is recorded and shown to whom it concerns."""
    from application.identity.auditing import AppointAuditor
    from infra.cli.auditors import change_auditor

    change_auditor(AppointAuditor(email=address, reason=reason))
    typer.echo("The user is an auditor: the tokens of their next login or refresh have the scope audit:read.")


@app.command()
def dismiss(
    address: Annotated[str, typer.Argument(help="Email address of the account.")],
    reason: ReasonText,
) -> None:
    """Take back what `appoint` gave. All sessions of the user have ended when this is done."""
    from application.identity.auditing import DismissAuditor
    from infra.cli.auditors import change_auditor

    change_auditor(DismissAuditor(email=address, reason=reason))
    typer.echo("The user is no auditor any more, and all their sessions have ended.")


def _cosigned(connection: "Connection", policy: "WitnessPolicy", kept: "Sequence[SignedCheckpoint]") -> list[str]:
    """Say which witnesses have cosigned the last checkpoint, stored or kept, that has enough of them.

    Fails if there is none.
    """
    from infra.audit.published import NotEnoughWitnesses, published

    if not policy.keys:
        return []
    known = [each for each in kept if policy.is_met(each.note)]
    try:
        stored = published(connection, policy)
        known += [stored] if stored else []
    except NotEnoughWitnesses as error:
        if not known:
            raise failure(f"The log is not cosigned as you ask: {error}.") from None
    if not known:
        return []
    size, note = max(known)
    return [f"{name} has cosigned the first {size} events, at {at.isoformat()}." for name, at in policy.cosigned(note)]


def _verify_personal() -> None:
    """Open all events with the rights of a projector, which may read data keys."""
    from application.ports import Unavailable
    from infra.audit.differences import WrongPosition
    from infra.audit.unsealing import verify_unsealing
    from infra.bootstrap.write_side import open_for_command

    async def run() -> int:
        async with open_for_command(load(part="projector"), "projector") as core:
            with progress_bar("opening") as progress:
                return await verify_unsealing(core.database, core.keyring, progress)

    try:
        opened = asyncio.run(run())
    except WrongPosition as error:
        raise failure(f"Position {error.position}: {error}.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None
    Terminal().print(f"{opened} events open, with all personal fields that are not erased.", style="green")


def _own_files(settings: Settings) -> list[Path]:
    """The file in which a sealer of this machine keeps the last checkpoint, if there is one."""
    from infra.audit.known_checkpoint import FILE_NAME

    file = settings.installation.data_dir / FILE_NAME
    return [file] if file.exists() else []


def _kept(file: Path, key: "VerifierKey") -> "SignedCheckpoint":
    """A checkpoint from a file. One that the log has not signed proves nothing about it."""
    from infra.audit.continuity import require_name
    from infra.audit.notes import NoteRefused
    from infra.audit.tables import SignedCheckpoint

    try:
        note = file.read_text(encoding="utf-8")
        require_name(key, note)
        return SignedCheckpoint(key.open(note).size, note)
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, NoteRefused) as error:
        raise SetupError(f"{file} is not a checkpoint of this log: {error}.") from None
