"""What `palimpsest doctor` says of the audit tree."""

import psycopg

from infra.audit.continuity import HistoryRefused
from infra.audit.sealing_session import SealingSession
from infra.bootstrap.sealer import signer_of
from infra.cli.finding import Finding
from infra.sealing.key_source import KeySource
from infra.settings.audit import DEFAULT_ORIGIN
from infra.settings.errors import SettingsError
from infra.settings.model import Settings

MAX_UNSEALED_SECONDS = 60
UNSEALED = """
SELECT EXISTS (
    SELECT FROM (
        SELECT recorded_at FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT 1
    ) AS oldest WHERE recorded_at < clock_timestamp() - %s::interval
)
"""


def examine_tree(connection: psycopg.Connection, settings: Settings) -> Finding:
    """The audit tree must continue what was signed, and follow the log."""
    try:
        signer = signer_of(settings.audit, KeySource(settings.keys).read())
    except SettingsError as error:
        return Finding("Audit", "no key for the log", str(error), is_warning=True)
    try:
        session = SealingSession(connection, signer)
        session.require_log()
    except SettingsError as error:
        return Finding("Audit", "the log has another name", str(error))
    except HistoryRefused as error:
        return Finding("Audit", f"the history is not the one that was signed: {error}", "Run: palimpsest audit verify")
    size = session.signed.size if session.signed else 0
    state = f"{size} events are sealed under {signer.key}"
    [(behind,)] = connection.execute(UNSEALED, [size, f"{MAX_UNSEALED_SECONDS} seconds"]).fetchall()
    if behind:
        advice = "Start a sealer: palimpsest sealer, or everything: palimpsest up"
        return Finding("Audit", f"{state}; the oldest of those after them waits for over a minute", advice, True)
    is_production = settings.installation.environment == "production"
    if is_production and not size and settings.audit.origin == DEFAULT_ORIGIN:
        advice = "Set PALIMPSEST_LOG_ORIGIN before the first event is sealed: others know the log by it, for ever."
        return Finding("Audit", f"{state}, a name that every installation has", advice, is_warning=True)
    return Finding("Audit", state)
