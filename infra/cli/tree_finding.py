"""What `palimpsest doctor` says of the audit tree."""

import psycopg

from infra.audit.continuity import HistoryRefused
from infra.audit.sealing_session import SealingSession
from infra.bootstrap.sealer import known_checkpoint, signer_of
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
), EXISTS (SELECT FROM log_checkpoints WHERE size = %s AND signed_at > clock_timestamp() - %s::interval)
"""
"""Whether the oldest event after the tree waits for too long, and whether a sealer has just signed."""


def examine_tree(connection: psycopg.Connection, settings: Settings) -> Finding:
    """The audit tree must continue what was signed, and follow the log."""
    try:
        signer = signer_of(settings.audit, KeySource(settings.keys).read())
    except SettingsError as error:
        return Finding("Audit", "no key for the log", str(error), is_warning=True)
    try:
        session = SealingSession(connection, signer)
        session.require_log()
        known_checkpoint(settings, signer.key).require_continued(connection, session.signed)
    except SettingsError as error:
        return Finding("Audit", "the settings do not fit the log", str(error))
    except HistoryRefused as error:
        return Finding("Audit", f"the history is not the one that was signed: {error}", "Run: palimpsest audit verify")
    size = session.signed.size if session.signed else 0
    return _progress(connection, settings, size, f"{size} events are sealed under {signer.key}")


def _progress(connection: psycopg.Connection, settings: Settings, size: int, state: str) -> Finding:
    limit = f"{MAX_UNSEALED_SECONDS} seconds"
    [(is_behind, is_sealing)] = connection.execute(UNSEALED, [size, limit, size, limit]).fetchall()
    if is_behind and is_sealing:
        return Finding("Audit", f"{state}; a sealer is catching up")
    if is_behind:
        advice = "Start a sealer: palimpsest sealer, or everything: palimpsest up. If one runs, see its log."
        return Finding("Audit", f"{state}; the oldest of those after them waits for over a minute", advice, True)
    is_production = settings.installation.environment == "production"
    if is_production and not size and settings.audit.origin == DEFAULT_ORIGIN:
        advice = "Set PALIMPSEST_LOG_ORIGIN before the first event is sealed: others know the log by it, for ever."
        return Finding("Audit", f"{state}, a name that every installation has", advice, is_warning=True)
    return Finding("Audit", state)
