"""Retention by plan: what the document was lately is shown, whatever happened to it since; nothing is lost."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.billing.subscription import ChangePlan
from application.content.comparison import two_versions
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    NameVersion,
    RestoreVersion,
    UnnameVersion,
    document_at_version,
)
from application.ports import Actor
from domain.billing.subscription import history_of
from domain.content.retention import ShownHistory, VersionHidden
from domain.kernel import NotFound
from tests.support.given import ID, NOW
from tests.support.use_cases import CommandRunner

MONTH = timedelta(days=30)
TIMES = st.lists(st.timedeltas(timedelta(0), 3 * MONTH), min_size=1, max_size=8).map(sorted)


@given(times=TIMES, at=st.timedeltas(timedelta(0), MONTH), now=st.timedeltas(timedelta(0), 6 * MONTH))
def test_what_a_document_was_within_the_time_of_the_plan_is_shown(
    times: list[timedelta], at: timedelta, now: timedelta
) -> None:
    shown = ShownHistory(MONTH, NOW + now)
    earlier = [version for version, time in enumerate(times, 1) if NOW + time <= shown.now - at]
    if earlier:
        [version] = earlier[-1:]
        replaced_at = NOW + times[version] if version < len(times) else None
        assert not shown.hides(version, named=False, replaced_at=replaced_at)


@given(times=TIMES, now=st.timedeltas(timedelta(0), 6 * MONTH))
def test_versions_that_are_hidden_are_older_than_all_that_are_shown_but_the_first(
    times: list[timedelta], now: timedelta
) -> None:
    shown = ShownHistory(MONTH, NOW + now)
    after = [*[NOW + time for time in times[1:]], None]
    hidden = [shown.hides(version, named=False, replaced_at=moment) for version, moment in enumerate(after, 1)]
    assert not hidden[0]
    assert not hidden[-1]
    assert hidden[1:] == sorted(hidden[1:], reverse=True)


def test_the_plan_says_how_much_is_shown() -> None:
    assert [history_of(plan) for plan in (None, "free", "pro", "enterprise")] == [
        MONTH, MONTH, timedelta(days=365), None,
    ]  # fmt: skip
    assert ShownHistory(None, NOW).since is None
    assert not ShownHistory(None, NOW).hides(2, named=False, replaced_at=NOW - 99 * MONTH)


class Saves:
    """A document of Ada with five versions, a month apart, the second of them named; a second after the last one."""

    def __init__(self, runner: CommandRunner, ada: Actor) -> None:
        self.runner, self.ada, self.id = runner, ada, ID

    async def write(self) -> None:
        self.id = (await self.runner.ask(CreateDocument(title="Notes", content="1"), self.ada)).id
        for number in range(2, 6):
            self.runner.now += MONTH
            await self.runner.ask(ChangeDocument(id=self.id, content=f"{number}"), self.ada)
            if number == 2:
                await self.runner.ask(NameVersion(id=self.id, version=2, name="Sent"), self.ada)
        self.runner.now += timedelta(seconds=1)

    async def content(self, version: int) -> str:
        read = await document_at_version(self.runner.store, self.ada, self.id, version, self.runner.now)
        return read.view.content

    async def shown(self) -> str:
        """The contents of all versions that are shown."""
        found = ""
        for version in range(1, 6):
            try:
                found += await self.content(version)
            except VersionHidden:
                continue
        return found


@pytest.fixture
async def saves() -> Saves:
    runner = CommandRunner()
    made = Saves(runner, await runner.actor("ada@example.org"))
    await made.write()
    return made


async def test_old_versions_are_hidden_and_come_back_with_a_larger_plan(saves: Saves) -> None:
    assert await saves.shown() == "1245"
    await saves.runner.ask(ChangePlan(plan="pro"), saves.ada)
    assert await saves.shown() == "12345"
    saves.runner.now += timedelta(days=365)
    assert await saves.shown() == "125"
    await saves.runner.ask(ChangePlan(plan="enterprise"), saves.ada)
    assert await saves.shown() == "12345"


async def test_a_save_hides_nothing_that_was_shown(saves: Saves) -> None:
    saves.runner.now += 10 * MONTH
    assert await saves.shown() == "125"
    await saves.runner.ask(ChangeDocument(id=saves.id, content="oh no"), saves.ada)
    assert await saves.content(5) == "5"


@pytest.mark.parametrize(
    "act",
    [
        lambda saves: saves.content(3),
        lambda saves: saves.runner.ask(RestoreVersion(id=saves.id, version=3), saves.ada),
        lambda saves: saves.runner.ask(NameVersion(id=saves.id, version=3, name="Mine"), saves.ada),
        lambda saves: two_versions(saves.runner.store, saves.ada, saves.id, 3, 5, saves.runner.now),
        lambda saves: two_versions(saves.runner.store, saves.ada, saves.id, 5, 3, saves.runner.now),
    ],
    ids=["read", "restore", "name", "compare from", "compare to"],
)
async def test_a_hidden_version_is_refused_with_what_to_do(
    saves: Saves, act: Callable[[Saves], Awaitable[object]]
) -> None:
    with pytest.raises(VersionHidden, match=r"of the last 30 days, and named ones\..* with a larger plan") as refused:
        await act(saves)
    assert refused.value.code == "version_hidden"
    await saves.runner.ask(ChangePlan(plan="enterprise"), saves.ada)
    await act(saves)


async def test_a_version_that_loses_its_name_is_hidden(saves: Saves) -> None:
    await saves.runner.ask(UnnameVersion(id=saves.id, version=2), saves.ada)
    assert await saves.shown() == "145"


async def test_a_version_that_does_not_exist_is_not_hidden(saves: Saves) -> None:
    for version in (0, 6):
        with pytest.raises(NotFound):
            await saves.content(version)
