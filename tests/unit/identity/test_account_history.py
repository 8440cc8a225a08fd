"""The history of one's own account: what happened, by whom, by which request and session, and who audited it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.identity.suspension import RequestDeletion
from application.identity.user import ChangeProfile
from application.ports import Actor, Client, HistoryFilter, SecurityEntry
from projections.audit.audit_read import ReadByAuditor
from projections.history import MAX_SEARCHES, HistoryEntry
from projections.identity.history import account_history
from projections.page import BadCursor, Page
from tests.support.given import NOW
from tests.support.use_cases import PASSWORD, CommandRunner

OLGA = UUID(int=0x01A)
EVERYTHING = HistoryFilter()


class AuditedRows:
    """Implements `ReadStore` for reads by auditors, by their positions."""

    def __init__(self, *reads: ReadByAuditor) -> None:
        self.reads = reads

    def after(self, position: int) -> "AuditedRows":
        raise NotImplementedError

    async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
        assert isinstance(params, Mapping)
        found = [read for read in self.reads if params["after"] < read.position < params["before"]]
        return sorted(found, key=lambda read: -read.position)[: params["limit"]]

    async def one(self, kind: type[Any], query: str, params: Any) -> Any:
        raise NotImplementedError

    async def by_key(self, kind: type[Any], query: str, key: UUID) -> Any:
        raise NotImplementedError


def read_at(position: int, at: datetime = NOW) -> ReadByAuditor:
    return ReadByAuditor(position, at, OLGA, "audit_user_history", "user", UUID(int=1))


@pytest.fixture
async def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Actor:
    return await runner.actor("ada@example.org")


async def history(
    runner: CommandRunner, user_id: UUID, rows: AuditedRows | None = None, **options: Any
) -> Page[HistoryEntry]:
    options = {"wanted": EVERYTHING, **options}
    page = await account_history(rows or AuditedRows(), runner.store, runner.security_log, user_id, **options)
    assert page is not None
    return page


def versions(page: Page[HistoryEntry]) -> list[int | None]:
    return [each.version for each in page.items]


async def test_the_latest_action_comes_first_with_its_time_and_no_words(runner: CommandRunner, ada: Actor) -> None:
    page = await history(runner, ada.user_id)
    assert [(each.version, each.action, each.at) for each in page.items] == [
        (3, "email_verified", NOW),
        (2, "verification_requested", NOW),
        (1, "registered", NOW),
    ]
    assert page.next is None
    assert "ada" not in repr(page).lower()


async def test_pages_follow_each_other_and_new_actions_shift_none(runner: CommandRunner, ada: Actor) -> None:
    first = await history(runner, ada.user_id, limit=2)
    await runner.ask(ChangeProfile(name="Ada L."), ada)
    second = await history(runner, ada.user_id, limit=2, cursor=first.next)
    assert [*versions(first), *versions(second)] == [3, 2, 1]
    assert second.next is None
    with pytest.raises(BadCursor):
        await history(runner, ada.user_id, cursor="x")


async def test_reads_of_auditors_stand_among_the_events(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(ChangeProfile(name="Ada L."), ada)
    own = [each.position for each in (await history(runner, ada.user_id)).items]
    others = {*range(1, len(runner.store.log) + 2)} - {*own}
    rows = AuditedRows(*map(read_at, others))
    found, cursor = list[HistoryEntry](), None
    while True:
        page = await history(runner, ada.user_id, rows, cursor=cursor, limit=2)
        found, cursor = [*found, *page.items], page.next
        if cursor is None:
            break
    assert [each.position for each in found] == sorted({*own, *others}, reverse=True)
    read = found[0]
    assert (read.type, read.action, read.actor_id) == ("audit.history_read", "history_read", OLGA)
    assert (read.operation, read.read_topic, read.version) == ("audit_user_history", "user", None)


async def test_an_event_says_who_by_which_request_and_session(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(ChangeProfile(name="Ada L."), ada)
    request_id, session_id = runner.call.correlation_id, UUID(int=0x5E5)
    client = Client("192.0.2.7", "Firefox")
    runner.security_log.note(SecurityEntry("log_in", "done", request_id, client, ada.user_id, session_id))
    [changed, *_] = (await history(runner, ada.user_id)).items
    assert (changed.actor_id, changed.request_id) == (ada.user_id, request_id)
    assert (changed.session_id, changed.user_agent) == (session_id, "Firefox")


async def test_filters_leave_out_the_rest(runner: CommandRunner, ada: Actor) -> None:
    runner.now = NOW + timedelta(hours=1)
    await runner.ask(ChangeProfile(name="Ada L."), ada)
    rows = AuditedRows(read_at(50))

    async def found(**wanted: Any) -> list[str]:
        return [
            each.action for each in (await history(runner, ada.user_id, rows, wanted=HistoryFilter(**wanted))).items
        ]

    assert await found(type="user.registered") == ["registered"]
    assert await found(type="audit.history_read") == ["history_read"]
    assert await found(actor_id=ada.user_id, type="user.profile_changed") == ["profile_changed"]
    assert await found(request_id=UUID(int=99)) == []
    assert await found(until=NOW + timedelta(minutes=1), type="user.profile_changed") == []


async def test_a_search_that_finds_nothing_ends_and_can_go_on(
    runner: CommandRunner, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = runner.store.history
    befores = []

    async def narrow(stream_id: UUID, wanted: HistoryFilter, before: int, count: int) -> Any:
        befores.append(before)
        return await searched(stream_id, wanted, before, 1)

    monkeypatch.setattr(runner.store, "history", narrow)
    for n in range(MAX_SEARCHES):
        await runner.ask(ChangeProfile(name=f"Ada {n}"), ada)
    page = await history(runner, ada.user_id)
    assert len(befores) == len(page.items) == MAX_SEARCHES
    assert page.next is not None
    assert versions(await history(runner, ada.user_id, cursor=page.next)) == [3, 2, 1]


async def test_there_is_none_of_an_account_that_is_not_open(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(RequestDeletion(password=PASSWORD), ada)
    for id in (ada.user_id, UUID(int=1)):
        args = (AuditedRows(), runner.store, runner.security_log, id)
        assert await account_history(*args, wanted=EVERYTHING) is None
