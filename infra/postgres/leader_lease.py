"""Leader election: one relay or sealer holds an advisory lock of PostgreSQL while it works.

The server ends the lock's session after a few silent seconds. So the lock becomes free soon after its holder was
killed, disconnected or frozen; and the holder knows by its own clock when it may have lost the lock.
"""

from threading import Event, Thread
from time import monotonic
from types import TracebackType
from zlib import crc32

import psycopg
import structlog

from infra.postgres.connect import connect
from infra.postgres.locks import AdvisoryLock

KEEPALIVE_SECONDS = 0.4
SILENCE_SECONDS = 3.0
"""The server ends a session that is silent for this long."""
TRUST_SECONDS = 2.6
"""How long the holder trusts its lock after its last keepalive began: less than `SILENCE_SECONDS`."""
HEARTBEAT_TIMEOUT_SECONDS = 30.0
"""A holder without a heartbeat for this long hangs. Longer than Kafka may take to acknowledge a page of the relay."""

TAKE = "SELECT pg_try_advisory_lock(%s, %s)"

_NEVER = float("-inf")
"""Before any time of the clock, which may begin with the machine."""

log = structlog.get_logger(__name__)


class NoLongerLeading(Exception):
    """Another process may hold the lock: what is not yet sent or saved must be neither."""


class LeaderLease:
    """A lock of a class of pairs, by name. A thread keeps its session alive from `try_take` until `close`."""

    def __init__(self, url: str, lock: AdvisoryLock, name: str) -> None:
        self._url = url
        self._class = lock.key
        self._number = crc32(name.encode()) - 2**31
        self._kept_alive_at = _NEVER
        self._heartbeat_at = 0.0
        self._ending = Event()
        self._session: psycopg.Connection | None = None
        self._keeper: Thread | None = None

    def __enter__(self) -> "LeaderLease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def try_take(self) -> bool:
        """Take the lock if it is free. Returns whether it was.

        Raises:
            psycopg.Error: the database does not answer.
        """
        if self._session is None or self._session.closed:
            self._session = self._open()
        began = monotonic()
        row = self._session.execute(TAKE, [self._class, self._number]).fetchone()
        if row != (True,):
            return False
        self._kept_alive_at = self._heartbeat_at = began
        self._keeper = Thread(target=self._keep_alive, args=[self._session], name="leader-lease", daemon=True)
        self._keeper.start()
        return True

    def held(self) -> bool:
        """Whether no other process can hold the lock."""
        return monotonic() - self._kept_alive_at < TRUST_SECONDS

    def heartbeat(self) -> None:
        """Report progress. Without a heartbeat for `HEARTBEAT_TIMEOUT_SECONDS` the lock is released."""
        self._heartbeat_at = monotonic()

    def close(self) -> None:
        """Release the lock."""
        self._ending.set()
        self._kept_alive_at = _NEVER
        if self._keeper is not None:
            self._keeper.join(SILENCE_SECONDS)
        if self._session is not None:
            self._session.close()

    def _open(self) -> psycopg.Connection:
        settings = {"idle_session_timeout": f"{round(SILENCE_SECONDS * 1000)}ms"}
        return connect(self._url, autocommit=True, silence_seconds=2, settings=settings)

    def _keep_alive(self, session: psycopg.Connection) -> None:
        while not self._ending.wait(KEEPALIVE_SECONDS):
            began = monotonic()
            if began - self._heartbeat_at > HEARTBEAT_TIMEOUT_SECONDS:
                log.error("the work hangs; releasing the lease")
                self._kept_alive_at = _NEVER
                return
            try:
                session.execute("SELECT 1")
            except psycopg.Error:
                self._kept_alive_at = _NEVER
                return
            if not self.held():
                # The process was frozen, and the lock may have been lost meanwhile: do not trust it again.
                return
            self._kept_alive_at = began
