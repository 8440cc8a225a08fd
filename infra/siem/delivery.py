"""Delivery of the history, and of the security log, to a SIEM: page by page, each in its order and at least once.

The checkpoint of the one or the other moves after the server has confirmed a page. A process that dies in between sends
the page again, so a receiver drops what it has by `position` or `security_number`; none is left out. Both become
visible in order, by a lock: what is read after a checkpoint is complete. One worker leads; others stand by.
"""

import asyncio

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from application.ports import NotDelivered, Siem, Unavailable
from infra.asyncio_compat import goes_on
from infra.postgres.database import Database
from infra.postgres.leader_lease import LeaderLease
from infra.postgres.locks import SIEM_LEADER
from infra.sealing.keyring import Keyring
from infra.siem.lines import line_of, security_line_of
from infra.store.log_rows import PAGE_BYTES, page_of

PAGE_EVENTS = 500
POLL_SECONDS = 1.0
"""Between two looks for new events, and for the lead."""
MAX_DELAY_SECONDS = 60.0
"""The longest wait before a page is sent again; the first one is a second, and each is twice as long as the last."""

CHECKPOINT = "SELECT position FROM siem_checkpoint"
MOVE = "UPDATE siem_checkpoint SET position = %s, confirmed_at = clock_timestamp() WHERE position = %s"
PAGE = page_of("SELECT * FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s")

SECURITY_CHECKPOINT = "SELECT security_number FROM siem_checkpoint"
MOVE_SECURITY = """
UPDATE siem_checkpoint SET security_number = %s, confirmed_at = clock_timestamp() WHERE security_number = %s
"""
ENTRIES = """
SELECT number, at, id, action, outcome, request_id, count, user_id, session_id, reason FROM security_log
WHERE number > %s ORDER BY number LIMIT %s
"""

leading_gauge = Gauge("palimpsest_siem_leading", "Whether this process delivers to the SIEM")
failing_gauge = Gauge("palimpsest_siem_failures", "Tries of the present page that the SIEM has not confirmed")
lines_total = Counter("palimpsest_siem_lines_total", "Lines that the SIEM has confirmed")

log = structlog.get_logger(__name__)


class SiemDelivery:
    """Delivers while it leads. `url`: of the database, for the lock."""

    def __init__(self, url: str, database: Database, keyring: Keyring, siem: Siem) -> None:
        self._url = url
        self._database = database
        self._keyring = keyring
        self._siem = siem

    async def run(self) -> None:
        """Deliver until cancelled."""
        while goes_on():
            try:
                with LeaderLease(self._url, SIEM_LEADER, "siem") as lease:
                    await self._stand_by(lease)
                    leading_gauge.set(1)
                    await self._lead(lease)
            except psycopg.Error as error:
                log.warning("delivery to the SIEM has no lock", error=type(error).__name__)
            finally:
                leading_gauge.set(0)
            await asyncio.sleep(POLL_SECONDS)

    async def _stand_by(self, lease: LeaderLease) -> None:
        """Wait for the lead."""
        while goes_on():
            if await asyncio.to_thread(lease.try_take):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _lead(self, lease: LeaderLease) -> None:
        """Deliver as long as the lock is held."""
        failures = 0
        while lease.held():
            pause = 0.0
            try:
                sent = [await self.deliver_page(), await self.deliver_entries()]
                failures, pause = 0, 0.0 if any(sent) else POLL_SECONDS
            except NotDelivered as error:
                failures += 1
                pause = min(MAX_DELAY_SECONDS, POLL_SECONDS * 2 ** (failures - 1))
                log.warning("the SIEM has not confirmed a page", reason=str(error), failures=failures, pause=pause)
            except Unavailable as error:
                pause = POLL_SECONDS
                log.warning("delivery to the SIEM waits", reason=str(error))
            failing_gauge.set(failures)
            await _wait(lease, pause)

    async def deliver_page(self) -> bool:
        """Send the events after the checkpoint, at most a page, and move it. Returns whether there were any.

        Raises:
            NotDelivered: the server has not confirmed them.
            Unavailable: the database does not answer.
        """
        ((position,),) = await self._database.rows(CHECKPOINT, [])
        rows = await self._database.rows(PAGE, [position, PAGE_EVENTS, PAGE_BYTES])
        if not rows:
            return False
        stamps = self._keyring.stamps
        await self._siem.send(b"".join(line_of(row, stamps) for row in rows))
        # If another process has moved it meanwhile, it has delivered the same events.
        await self._database.rows(MOVE, [rows[-1][0], position])
        lines_total.inc(len(rows))
        return True

    async def deliver_entries(self) -> bool:
        """Send the entries of the security log after their checkpoint, as `deliver_page` sends events.

        Raises:
            NotDelivered: the server has not confirmed them.
            Unavailable: the database does not answer.
        """
        ((number,),) = await self._database.rows(SECURITY_CHECKPOINT, [])
        rows = await self._database.rows(ENTRIES, [number, PAGE_EVENTS])
        if not rows:
            return False
        await self._siem.send(b"".join(map(security_line_of, rows)))
        await self._database.rows(MOVE_SECURITY, [rows[-1][0], number])
        lines_total.inc(len(rows))
        return True


async def _wait(lease: LeaderLease, seconds: float) -> None:
    """Wait, and report progress meanwhile: a server that does not answer is no reason to lose the lead."""
    lease.heartbeat()
    while seconds > 0 and lease.held():
        await asyncio.sleep(min(seconds, POLL_SECONDS))
        seconds -= POLL_SECONDS
        lease.heartbeat()
