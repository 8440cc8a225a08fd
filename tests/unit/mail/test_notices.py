"""Notices: who gets the mail that something waits for them, and what it says."""

from uuid import UUID

import pytest

from application.jobs import perform
from application.notices import NoticeMail
from application.ports import Mail
from domain.identity.suspension import DELETION_GRACE
from domain.identity.user import User
from tests.support.given import ID, NOW, Fact, fact, given
from tests.support.use_cases import MailBox

REGISTERED = fact(User.Registered, email="ada@example.org", name="Ada", password_hash="hash")
VERIFIED = fact(User.EmailVerified)
NOTICE = NoticeMail(template="access_asked", user_id=ID, about_id=UUID(int=7), cause="c.1")


async def mails_to(user: User | None) -> list[Mail]:
    """The mails that the notice causes if its user is this one."""
    mail_box = MailBox()

    class Events:
        async def load(self, kind: type[User], id: UUID) -> User | None:
            assert (kind, id) == (User, NOTICE.user_id)
            return user

    await perform(NOTICE, {"events": Events(), "mailer": mail_box})
    return mail_box.mails


async def test_a_notice_names_its_user_and_leads_to_what_it_is_about() -> None:
    key = f"access_asked.{ID.hex}.c.1"
    values = {"name": "Ada", "token": "00000000-0000-0000-0000-000000000007"}
    assert await mails_to(given(User, REGISTERED, VERIFIED)) == [Mail("ada@example.org", "access_asked", values, key)]


@pytest.mark.parametrize(
    "past",
    [
        [],
        [VERIFIED, fact(User.DeletionRequested, due=NOW + DELETION_GRACE)],
        [VERIFIED, fact(User.LockedDown)],
        [VERIFIED, fact(User.Deactivated)],
    ],
    ids=["unverified", "asks for deletion", "locked", "closed"],
)
async def test_a_user_who_cannot_log_in_gets_none(past: list[Fact]) -> None:
    assert await mails_to(given(User, REGISTERED, *past)) == []


async def test_a_user_who_is_gone_gets_none() -> None:
    assert await mails_to(None) == []
