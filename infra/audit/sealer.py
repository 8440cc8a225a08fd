"""The sealer: follows the log by position, and signs what it has read as a tree. Appends never wait for it.

One sealer leads, others stand by. After any failure it begins again from what the database has sealed. It refuses to
seal a history that is not the one it has signed, and raises an alarm instead.
"""

from threading import Event
from time import monotonic

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from infra.audit.continuity import HistoryRefused
from infra.audit.known_checkpoint import KnownCheckpoint
from infra.audit.notes import CheckpointSigner
from infra.audit.sealing_session import SealingSession
from infra.postgres.connect import Connection, connect
from infra.postgres.leader_lease import LeaderLease, NoLongerLeading
from infra.postgres.locks import SEALER_LEADER
from infra.postgres.notifications import take_notifications
from infra.store.log_rows import APPENDED_CHANNEL

STANDBY_SECONDS = 0.3
RETRY_SECONDS = 1.0
REFUSED_SECONDS = 5.0
"""Wait before a refused history is looked at again: an operator may have restored it."""
LINGER_SECONDS = 0.5
"""Minimum time between two checkpoints, unless the sealer is behind: one of a single event costs as much as one of
hundreds."""
MAX_YIELD_SECONDS = 0.5
"""Longest pause after a page while the sealer is behind and others append."""
POLL_SECONDS = 0.5
STANDING_BY = "another sealer leads; standing by"

log = structlog.get_logger(__name__)

leading_gauge = Gauge("palimpsest_sealer_leading", "1: this sealer seals the log; 0: it stands by, or cannot")
refused_gauge = Gauge(
    "palimpsest_sealer_refused", "1: the log is not the history that was signed; 0: it is, or is unknown"
)
sealed_counter = Counter("palimpsest_sealer_sealed", "Events that this sealer has sealed")


def pause_after(took: float, *, has_backlog: bool, appended: bool) -> float:
    """Return the seconds to wait after a page that took so many. `appended`: others have appended meanwhile.

    A sealer that is behind leaves others as much time as it takes; a log that does not grow is sealed without pauses.
    """
    if not has_backlog:
        return max(0.0, LINGER_SECONDS - took)
    return min(took, MAX_YIELD_SECONDS) if appended else 0.0


class Sealer:
    """Seals while it leads. `known`: what the database holds must continue it."""

    def __init__(self, url: str, signer: CheckpointSigner, known: KnownCheckpoint) -> None:
        self._url = url
        self._signer = signer
        self._known = known
        self._stopping = Event()
        self._sealing: LeaderLease | None = None

    def leads(self) -> bool:
        """Whether it leads, and seals the history that it has signed. Any thread may ask."""
        lease = self._sealing
        return lease is not None and lease.held()

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()

    def run(self) -> None:
        """Stand by, lead, and retry while the database is down, until `stop`. Blocks: run it in a thread.

        Raises:
            SettingsError: the log has another name.
        """
        settings = {"statement_timeout": "10s"}
        while not self._stopping.is_set():
            try:
                with (
                    LeaderLease(self._url, SEALER_LEADER, self._signer.key.name) as lease,
                    connect(self._url, autocommit=True, silence_seconds=5, settings=settings) as connection,
                ):
                    self._stand_by(connection, lease)
                    self._lead(connection, lease)
            except (psycopg.Error, OSError) as error:
                log.warning("sealer without database", error=type(error).__name__)
            finally:
                refused_gauge.set(0)
            self._stopping.wait(RETRY_SECONDS)

    def _stand_by(self, connection: Connection, lease: LeaderLease) -> None:
        said = ""
        while not self._stopping.is_set() and not lease.try_take():
            said = self._watch_leader(connection, said)
            self._stopping.wait(STANDBY_SECONDS)

    def _watch_leader(self, connection: Connection, said: str) -> str:
        """Check that what the leader seals continues the known checkpoint. Returns what it logs unless it is `said`."""
        try:
            self._known.follow(connection)
        except HistoryRefused as error:
            refused_gauge.set(1)
            if said != str(error):
                log.error("the leader seals another history than the one that was signed", reason=str(error))
            return str(error)
        refused_gauge.set(0)
        if said != STANDING_BY:
            log.info(STANDING_BY)
        return STANDING_BY

    def _lead(self, connection: Connection, lease: LeaderLease) -> None:
        connection.execute(f"LISTEN {APPENDED_CHANNEL}")
        while lease.held() and not self._stopping.is_set():
            lease.heartbeat()
            pause = RETRY_SECONDS
            try:
                self._seal(connection, lease)
            except HistoryRefused as error:
                refused_gauge.set(1)
                log.error("the history is not the one that was signed; nothing is sealed", reason=str(error))
                pause = REFUSED_SECONDS
            except NoLongerLeading:
                log.warning("no longer leading")
            except psycopg.errors.UniqueViolation:
                log.warning("another sealer has sealed the page; starting again")
            finally:
                self._sealing = None
                leading_gauge.set(0)
            self._stopping.wait(pause)

    def _seal(self, connection: Connection, lease: LeaderLease) -> None:
        session = SealingSession(connection, self._signer)
        self._known.require_continued(connection, session.signed)
        self._keep(session)
        log.info("sealing", size=session.signed.size if session.signed else 0)
        self._sealing = lease
        leading_gauge.set(1)
        while lease.held() and not self._stopping.is_set():
            lease.heartbeat()
            began = monotonic()
            events = session.step(lease.held)
            self._keep(session)
            refused_gauge.set(0)
            sealed_counter.inc(events)
            appended = take_notifications(connection, 0 if events else POLL_SECONDS)
            if events:
                took = monotonic() - began
                self._stopping.wait(pause_after(took, has_backlog=session.has_backlog, appended=appended))

    def _keep(self, session: SealingSession) -> None:
        if session.note is not None:
            self._known.keep(session.note)
