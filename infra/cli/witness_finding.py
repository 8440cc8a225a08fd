"""What `palimpsest doctor` says of the witnesses of the audit tree."""

from collections.abc import Iterator

import psycopg

from infra.audit import cosigned_rows
from infra.bootstrap.sealer import witnesses_of
from infra.cli.finding import Finding
from infra.settings.audit import AuditSettings
from infra.settings.errors import SettingsError

MAX_LAG_SECONDS = 300
BEHIND = """
SELECT EXISTS (
    SELECT FROM log_checkpoints WHERE size > %s AND signed_at < clock_timestamp() - %s::interval ORDER BY size LIMIT 1
)
"""
"""Whether a checkpoint after a size waits for too long to be cosigned."""
DISPUTED = "Two histories may have been signed. Compare with a checkpoint that was kept: palimpsest audit verify --help"
SLOW = (
    "See the log of the sealer. Palimpsest goes on without; auditors who ask for the cosignature of this witness wait."
)


def examine_witnesses(connection: psycopg.Connection, settings: AuditSettings) -> Iterator[Finding]:
    """Each witness must cosign what is sealed, and know no other history."""
    try:
        witnesses = {str(witness.key): witness.key.name for witness in witnesses_of(settings)}
    except SettingsError as error:
        yield Finding("Witnesses", "the settings are wrong", str(error))
        return
    if not witnesses:
        yield Finding("Witnesses", "none; PALIMPSEST_LOG_WITNESSES names some")
    for key, refusal, disputed, size in connection.execute(cosigned_rows.SAID, [list(witnesses)]).fetchall():
        yield _finding(connection, f"{witnesses[key]} has cosigned {size} events", size, refusal, is_disputed=disputed)


def _finding(
    connection: psycopg.Connection, state: str, size: int, refusal: str | None, *, is_disputed: bool | None
) -> Finding:
    reason = f"; now {refusal}" if refusal else ""
    if is_disputed:
        return Finding("Witnesses", f"{state}{reason}", DISPUTED)
    [(is_behind,)] = connection.execute(BEHIND, [size, f"{MAX_LAG_SECONDS} seconds"]).fetchall()
    if is_behind:
        return Finding(
            "Witnesses", f"{state}, and none of the later ones within 5 minutes{reason}", SLOW, is_warning=True
        )
    return Finding("Witnesses", f"{state}{reason}")
