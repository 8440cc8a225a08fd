"""Which workers are lost: those whose heartbeat was seen to stay the same, and no others."""

from datetime import UTC, datetime, timedelta
from itertools import product

from application.discovery import import_all
from application.jobs import PERFORMERS
from infra.jobs.heartbeats import BEAT_SECONDS, HEARTBEAT_SECONDS
from infra.jobs.manager import RETRY_SECONDS
from infra.jobs.stalled import LOOK_SECONDS, MAX_GAP_SECONDS, STALL_SECONDS, HeartbeatWatch

import_all("application")
import_all("infra.jobs")
MAX_NOTICE_SECONDS = STALL_SECONDS + 2 * LOOK_SECONDS
BEAT, LOOK = int(1_000 * HEARTBEAT_SECONDS), int(1_000 * LOOK_SECONDS)
"""Milliseconds."""

EARLY = datetime(2026, 1, 1, tzinfo=UTC)


def looks(watch: HeartbeatWatch, seconds: float, start: float = 0, beat: float | None = None) -> list[int]:
    """Look every second at two workers; the second one beats every `beat` seconds. Returns who was lost at last."""
    lost: list[int] = []
    for step in range(int(seconds) + 1):
        beats = EARLY if beat is None else EARLY + timedelta(seconds=(start + step) // beat)
        lost = watch.look({1: EARLY, 2: beats}, start + step)
    return lost


def test_a_worker_whose_heartbeat_stays_the_same_is_lost() -> None:
    assert looks(HeartbeatWatch(), STALL_SECONDS - 1, beat=2) == []
    assert looks(HeartbeatWatch(), STALL_SECONDS, beat=2) == [1]


def test_how_old_a_heartbeat_is_does_not_matter() -> None:
    """After an outage all heartbeats are old."""
    assert HeartbeatWatch().look({1: EARLY - timedelta(days=1)}, now=0) == []


def test_after_an_outage_the_watch_begins_again() -> None:
    watch = HeartbeatWatch()
    looks(watch, STALL_SECONDS - 1)
    watch.begin_again()
    assert looks(watch, STALL_SECONDS - 1, start=STALL_SECONDS) == []


def test_after_a_pause_of_this_process_the_watch_begins_again() -> None:
    watch = HeartbeatWatch()
    looks(watch, STALL_SECONDS - 1)
    assert watch.look({1: EARLY}, STALL_SECONDS + MAX_GAP_SECONDS) == []


def test_a_worker_that_is_gone_is_forgotten() -> None:
    watch = HeartbeatWatch()
    looks(watch, STALL_SECONDS)
    assert watch.look({}, STALL_SECONDS + 1) == []


def test_a_killed_worker_is_noticed_after_its_silence_and_two_looks() -> None:
    """Whenever it is killed between two heartbeats, and others look."""
    for killed_at, first_look in product(range(20_000, 20_000 + BEAT, 100), range(0, LOOK, 100)):
        watch, now = HeartbeatWatch(), first_look
        while not watch.look({1: EARLY + timedelta(seconds=min(now, killed_at) // BEAT)}, now / 1_000):
            now += LOOK
        assert STALL_SECONDS - HEARTBEAT_SECONDS <= (now - killed_at) / 1_000 <= MAX_NOTICE_SECONDS


def test_the_jobs_of_a_killed_worker_begin_elsewhere_within_15_seconds() -> None:
    """Of every kind. A notification says that a job waits again; its first pause is short."""
    assert MAX_NOTICE_SECONDS + max(kind.retries.delays[0] for kind in PERFORMERS) < 15
    assert STALL_SECONDS >= 3 * HEARTBEAT_SECONDS


def test_a_worker_whose_heartbeat_meets_two_silent_connections_is_not_lost() -> None:
    assert HEARTBEAT_SECONDS + 2 * (BEAT_SECONDS + RETRY_SECONDS) < STALL_SECONDS
