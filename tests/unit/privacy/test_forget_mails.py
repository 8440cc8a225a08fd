"""The policy of mails that are kept: the erasure of a user, a team or an address causes a job with its id."""

from typing import Any, cast

import pytest

from application.policies.forget_mails import forget_mails
from application.privacy.forget_mails import ForgetMails
from domain.identity.user import User
from domain.kernel import Root
from domain.privacy.address import Address
from domain.teams import erasure as teams
from domain.teams.team import Team
from tests.support.given import ID, NOW


def erased_user() -> User:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    user.erase(now=NOW)
    return user


def erased_team() -> Team:
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ID, now=NOW)
    teams.erase_team(team, now=NOW)
    return team


def address_erased_twice() -> Address:
    address = Address.erase(id=ID, now=NOW)
    address.erase_again(now=NOW)
    return address


@pytest.mark.parametrize("root", [erased_user(), erased_team(), Address.erase(id=ID, now=NOW), address_erased_twice()])
def test_an_erasure_ends_the_mails_that_are_kept(root: Root) -> None:
    assert list(forget_mails(cast(Any, root.pending_events[-1]))) == [ForgetMails(subject_id=ID)]
