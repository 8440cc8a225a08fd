"""Who leads: one relay of all holds an advisory lock, for as long as it shows that it is alive.

The lock belongs to a session that the server ends when it hears nothing for a while. So the lock is free again a moment
after its holder was killed, cut off or frozen; and the holder knows by its own clock when it may have lost it.
"""

from threading import Event, Thread
from time import monotonic
from types import TracebackType
from zlib import crc32

import psycopg
import structlog

from infra.postgres.connect import connect
from infra.postgres.locks import RELAY_LEADER

BEAT_SECONDS = 0.4
SILENCE_SECONDS = 3.0
"""The server ends a silent session after that time."""
TRUST_SECONDS = 2.6
"""The holder trusts its lock for so long after the last beat began: less than the server's patience."""
LIFE_SECONDS = 30.0
"""A holder whose work shows no life for so long hangs: longer than Kafka may take to acknowledge a page."""

TAKE = "SELECT pg_try_advisory_lock(%s, %s)"

log = structlog.get_logger(__name__)


class NoLongerLeading(Exception):
    """Somebody else may have the lock by now: what has not been sent must not be sent, nor be noted as sent."""


class LeaderLease:
    """The lock `name`, waited for with `take`, held in a thread of its own until `close`."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._number = crc32(name.encode()) - 2**31
        self._beat_at = 0.0
        self._shown_at = 0.0
        self._ending = Event()
        self._session: psycopg.Connection | None = None
        self._beating: Thread | None = None

    def __enter__(self) -> "LeaderLease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def try_take(self) -> bool:
        """Take the lock if nobody has it.

        Raises:
            psycopg.Error: the database does not answer.
        """
        if self._session is None or self._session.closed:
            self._session = self._open()
        asked_at = monotonic()
        row = self._session.execute(TAKE, [RELAY_LEADER.key, self._number]).fetchone()
        if row != (True,):
            return False
        self._beat_at = self._shown_at = asked_at
        self._beating = Thread(target=self._beat, args=[self._session], name="relay-lease", daemon=True)
        self._beating.start()
        return True

    def held(self) -> bool:
        """Whether nobody else can have the lock."""
        return monotonic() - self._beat_at < TRUST_SECONDS

    def show_life(self) -> None:
        """Say that the holder's work goes on; who does not say so for `LIFE_SECONDS` gives way to another one."""
        self._shown_at = monotonic()

    def close(self) -> None:
        """Give the lock back."""
        self._ending.set()
        self._beat_at = 0.0
        if self._beating is not None:
            self._beating.join(SILENCE_SECONDS)
        if self._session is not None:
            self._session.close()

    def _open(self) -> psycopg.Connection:
        settings = {"idle_session_timeout": f"{round(SILENCE_SECONDS * 1000)}ms"}
        return connect(self._url, autocommit=True, silence_seconds=2, settings=settings)

    def _beat(self, session: psycopg.Connection) -> None:
        while not self._ending.wait(BEAT_SECONDS):
            began = monotonic()
            if began - self._shown_at > LIFE_SECONDS:
                log.error("publishing hangs; giving way to another relay")
                self._beat_at = 0.0
                return
            try:
                session.execute("SELECT 1")
            except psycopg.Error:
                self._beat_at = 0.0
                return
            if not self.held():
                # Frozen for so long that the lock may have been lost in between: once lost, lost.
                return
            self._beat_at = began
