"""Makes replay certificates, and checks them: the history, then every table."""

from collections.abc import Sequence

from application.discovery import import_all
from infra.audit.history_root import signed_root, signed_size
from infra.audit.notes import CheckpointSigner, VerifierKey
from infra.postgres.connect import connect
from infra.progress import Progress
from infra.replay.certificate import Certificate, CertifiedTable, first_difference
from infra.replay.code_version import CodeVersion, code_version
from infra.replay.digest_fold import digests
from infra.replay.schemas import describe
from infra.replay.table_digest import table_digests
from projections.kernel import ReadModel


class CertificateRefused(Exception):
    """The history, or a table, is not the one of a certificate. The message says which."""


async def certify(
    url: str, signer: CheckpointSigner, models: Sequence[ReadModel], position: int | None, progress: Progress
) -> str:
    """Return a certificate as a signed note. `position`: of the last event; None: the last one that is sealed.

    Raises:
        NotSealedYet: the event is not sealed.
        HistoryRefused: the events are not those that were signed.
        Unstorable: PostgreSQL would refuse a row.
        Unavailable: the database does not answer.
    """
    import_all("application")
    last, root = _signed(url, signer.key, position, progress)
    tables = await digests(url, models, last, progress)
    return Certificate(signer.key.name, last, root, code_version(), tables).signed(signer)


async def check(
    url: str, key: VerifierKey, certificate: Certificate, models: Sequence[ReadModel], progress: Progress
) -> None:
    """Fold the history of a certificate again, and compare everything.

    Raises:
        CertificateRefused: the history or a table is another one.
        NotSealedYet, HistoryRefused, Unstorable, Unavailable: see `certify`.
    """
    import_all("application")
    require_history(url, key, certificate, progress)
    require_tables(certificate, await digests(url, models, certificate.position, progress))


async def check_tables(url: str, certificate: Certificate, schema: str, models: Sequence[ReadModel]) -> None:
    """Compare the tables of a replay with a certificate.

    Raises:
        CertificateRefused: the replay is of another position, or a table is not as certified.
        SetupError: there is no such schema.
        Unstorable, WrongTable: a table was changed, and is not as its read model declares it.
        Unavailable: the database does not answer.
    """
    with connect(url, autocommit=True) as connection:
        found = describe(connection, schema)
    if found.position != certificate.position:
        raise CertificateRefused(f"{schema} is of position {found.position}, and not {certificate.position}")
    require_tables(certificate, await table_digests(url, schema, models))


def require_history(url: str, key: VerifierKey, certificate: Certificate, progress: Progress) -> None:
    """Check that the log has the history of a certificate.

    Raises:
        CertificateRefused: it has another one.
        NotSealedYet, HistoryRefused: see `certify`.
    """
    _, root = _signed(url, key, certificate.position, progress)
    if root != certificate.root:
        raise CertificateRefused(
            f"The history up to position {certificate.position} is not the one of the certificate: "
            "the roots of their trees differ"
        )


def require_tables(certificate: Certificate, found: Sequence[CertifiedTable]) -> None:
    """Check that tables are as certified.

    Raises:
        CertificateRefused: one is not; the message names the first.
    """
    difference = first_difference(certificate.tables, found)
    if difference is None:
        return
    own = code_version()
    said = "" if own.digest == certificate.code.digest else f". {_other_code(certificate.code, own)}"
    raise CertificateRefused(f"{difference}{said}")


def _other_code(certified: CodeVersion, own: CodeVersion) -> str:
    return (
        f"This code is not the one of the certificate, which was made with release {certified.release} "
        f"(hash {certified.digest.hex()[:16]}; here: {own.release}, {own.digest.hex()[:16]}): check with that code"
    )


def _signed(url: str, key: VerifierKey, position: int | None, progress: Progress) -> tuple[int, bytes]:
    with connect(url, autocommit=True) as connection:
        last = position or signed_size(connection, key)
        return last, signed_root(connection, key, last, progress)
