"""The history of one's own account: actions and times, and nothing else."""

from uuid import UUID

import pytest

from application.identity.suspension import RequestDeletion
from application.identity.user import ChangeProfile
from application.ports import Actor
from projections.identity.history import account_history
from projections.page import BadCursor
from tests.support.given import NOW
from tests.support.use_cases import PASSWORD, CommandRunner


@pytest.fixture
async def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Actor:
    return await runner.actor("ada@example.org")


async def test_the_latest_action_comes_first_with_its_time_and_no_more(runner: CommandRunner, ada: Actor) -> None:
    page = await account_history(runner.store, ada.user_id)
    assert page is not None
    assert [(each.version, each.action, each.at) for each in page.items] == [
        (3, "email_verified", NOW),
        (2, "verification_requested", NOW),
        (1, "registered", NOW),
    ]
    assert page.next is None


async def test_pages_follow_each_other_and_new_actions_shift_none(runner: CommandRunner, ada: Actor) -> None:
    first = await account_history(runner.store, ada.user_id, limit=2)
    assert first is not None
    await runner.ask(ChangeProfile(name="Ada L."), ada)
    second = await account_history(runner.store, ada.user_id, limit=2, cursor=first.next)
    assert second is not None
    assert [each.version for each in (*first.items, *second.items)] == [3, 2, 1]
    assert second.next is None
    with pytest.raises(BadCursor):
        await account_history(runner.store, ada.user_id, cursor="x")


async def test_there_is_none_of_an_account_that_is_not_open(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(RequestDeletion(password=PASSWORD), ada)
    assert await account_history(runner.store, ada.user_id) is None
    assert await account_history(runner.store, UUID(int=1)) is None
