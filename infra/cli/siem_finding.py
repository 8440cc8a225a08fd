"""What `palimpsest doctor` says of the delivery to a SIEM."""

import psycopg

from infra.cli.finding import Finding
from infra.settings.siem import SiemSettings

MAX_LAG_SECONDS = 300
BACKLOG = """
SELECT position, EXISTS (
    SELECT FROM (
        SELECT recorded_at FROM stored_events WHERE notification_id > position ORDER BY notification_id LIMIT 1
    ) AS oldest WHERE recorded_at < clock_timestamp() - %(longest)s::interval
), EXISTS (
    SELECT FROM (
        SELECT at FROM security_log WHERE number > security_number ORDER BY number LIMIT 1
    ) AS oldest WHERE at < clock_timestamp() - %(longest)s::interval
) FROM siem_checkpoint
"""


def examine_siem(connection: psycopg.Connection, settings: SiemSettings) -> Finding:
    """The delivery must follow the log and the security log, if there is one."""
    if settings.url is None:
        return Finding("SIEM", "none; PALIMPSEST_SIEM_URL names one")
    [(position, is_behind, lacks_entries)] = connection.execute(
        BACKLOG, {"longest": f"{MAX_LAG_SECONDS} seconds"}
    ).fetchall()
    state = f"it has confirmed the log up to position {position}"
    if is_behind or lacks_entries:
        waiting = "the next event" if is_behind else "the next entry of the security log"
        advice = "See the log of the worker: it says why pages are not confirmed. Start one if none runs."
        return Finding("SIEM", f"{state}; {waiting} waits for over 5 minutes", advice, is_warning=True)
    return Finding("SIEM", state)
