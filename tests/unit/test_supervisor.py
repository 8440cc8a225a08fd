"""The process tree: crashed parts are started again, with growing pauses; one program per data folder."""

from pathlib import Path

import pytest

from infra.local import supervisor
from infra.local.servers.process import ServerError
from infra.local.supervisor import (
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    STABLE_AFTER_SECONDS,
    ProcessTree,
    WatchedProcess,
    only_one,
)


class Fake:
    """A part that a test can end."""

    def __init__(self, story: list[str] | None = None, name: str = "fake") -> None:
        self.story = [] if story is None else story
        self.name = name
        self.log = Path(f"{name}.log")
        self.living = False
        self.broken = False

    def start(self) -> None:
        self.story.append(f"start {self.name}")
        if self.broken:
            raise ServerError("no")
        self.living = True

    def alive(self) -> bool:
        return self.living

    def stop(self) -> None:
        self.story.append(f"stop {self.name}")


class Time:
    """A clock that a test moves."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(supervisor, "time", clock)
    return clock


def pauses(watched: WatchedProcess, part: Fake, time: Time, crashes: int, life: float = 0.0) -> list[float]:
    """Crash the part `crashes` times, each time `life` seconds after its start; how long each restart took."""
    waited = []
    for _ in range(crashes):
        time.now += life
        part.living = False
        died = time.now
        watched.restart_if_crashed()
        while not part.alive():
            time.now += 0.05
            watched.restart_if_crashed()
        waited.append(round(time.now - died, 2))
    return waited


def test_a_part_that_keeps_crashing_is_started_again_ever_more_slowly(time: Time) -> None:
    part = Fake()
    waited = pauses(WatchedProcess("fake", part), part, time, crashes=10)
    assert waited[0] == pytest.approx(FIRST_PAUSE_SECONDS, abs=0.1)
    assert waited == sorted(waited)
    assert waited[-1] == pytest.approx(MAX_PAUSE_SECONDS, abs=0.1)


def test_a_part_that_lived_long_is_started_again_at_once(time: Time) -> None:
    part = Fake()
    waited = pauses(WatchedProcess("fake", part), part, time, crashes=5, life=STABLE_AFTER_SECONDS + 1)
    assert waited == pytest.approx([FIRST_PAUSE_SECONDS] * 5, abs=0.1)


def test_a_part_that_cannot_start_is_tried_again(time: Time) -> None:
    part = Fake()
    part.broken = True
    watched = WatchedProcess("fake", part)
    for _ in range(200):
        time.now += 0.1
        watched.restart_if_crashed()
    assert 4 < len(part.story) < 10
    part.broken = False
    time.now += MAX_PAUSE_SECONDS
    watched.restart_if_crashed()
    watched.restart_if_crashed()
    assert part.alive()


def test_parts_stop_in_reverse_order_even_if_one_did_not_start() -> None:
    story: list[str] = []
    tree = ProcessTree()
    tree.start("database", Fake(story, "database"))
    broken = Fake(story, "api")
    broken.broken = True
    with pytest.raises(ServerError):
        tree.start("api", broken)
    tree.stop()
    assert story == ["start database", "start api", "stop api", "stop database"]


def test_a_second_program_on_the_same_folder_is_refused_with_words(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(ServerError, match="DATA_DIR"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
