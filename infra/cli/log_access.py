"""What the commands of auditors share: the key of the log, and its database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from application.ports import Unavailable
from infra.audit.cosignatures import WitnessKey
from infra.audit.notes import NoteRefused, VerifierKey
from infra.audit.published import WitnessPolicy
from infra.bootstrap.sealer import signer_of
from infra.bootstrap.write_side import part_url
from infra.errors import SetupError
from infra.postgres.connect import Connection, connect
from infra.sealing.key_source import KeySource
from infra.settings.model import Settings


def own_key(settings: Settings) -> VerifierKey:
    """Return the key of the log, from our key document.

    Raises:
        SettingsError: the document has none.
    """
    return signer_of(settings.audit, KeySource(settings.keys).read()).key


def given_key(text: str) -> VerifierKey:
    """Return the key that the option --key names.

    Raises:
        SetupError: it is not one.
    """
    try:
        return VerifierKey.parse(text)
    except NoteRefused as error:
        raise SetupError(f"--key: {error}.") from None


def key_of(settings: Settings, text: str | None) -> VerifierKey:
    """Return the key that the option --key names, else that of our key document.

    Raises:
        SetupError: the text is no key.
        SettingsError: the document has none.
    """
    return given_key(text) if text else own_key(settings)


def policy_of(witnesses: Sequence[str] | None, quorum: int | None) -> WitnessPolicy:
    """Return what the options --witness and --quorum ask for. Without --quorum all witnesses must have cosigned.

    Raises:
        SetupError: a key is none, or the quorum asks for nothing or for more witnesses than there are.
    """
    try:
        keys = {key.public: key for key in map(WitnessKey.parse, witnesses or [])}
    except NoteRefused as error:
        raise SetupError(f"--witness: {error}.") from None
    wanted = len(keys) if quorum is None else quorum
    if wanted < min(1, len(keys)):
        raise SetupError("--quorum: at least 1 of the witnesses must have cosigned.")
    if wanted > len(keys):
        raise SetupError(f"--quorum: there are {len(keys)} witnesses to choose from.")
    return WitnessPolicy(list(keys.values()), wanted)


@contextmanager
def database_errors() -> Iterator[None]:
    """Say in a sentence what is wrong with the database.

    Raises:
        SetupError: it does not answer, or its schema is old.
    """
    try:
        yield
    except psycopg.errors.UndefinedTable:
        raise SetupError("The schema is missing or old. Run: palimpsest migrate") from None
    except (psycopg.OperationalError, Unavailable):
        raise SetupError("The database is not available. `palimpsest doctor` says more.") from None


@contextmanager
def open_log(settings: Settings) -> Iterator[Connection]:
    """Connect to the database as an auditor. Raises as `database_errors`."""
    with database_errors(), connect(part_url(settings, "auditor")) as connection:
        yield connection
