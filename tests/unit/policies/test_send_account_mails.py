"""The policy of mails about accounts."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.identity.account_jobs import AccountMail
from application.policies.send_account_mails import TEMPLATES, send_account_mails
from application.policy import POLICIES
from domain.identity.user import User
from domain.kernel import Root
from tests.support.given import ID, NOW

LINK: dict[str, Any] = {"link_id": UUID(int=7), "token_digest": "digest", "expires_at": NOW + timedelta(hours=1)}
CHANGE = {"email": "ada@example.com", "new_token_digest": "new", "old_token_digest": "old"}
VALUES: dict[type[Root.Event], dict[str, Any]] = {
    User.VerificationRequested: LINK,
    User.PasswordResetRequested: LINK,
    User.RegistrationRepeated: {},
    User.PasswordChanged: {"password_hash": "hash"},
    User.TokenReused: {"session_id": UUID(int=8)},
    User.EmailChangeRequested: {**CHANGE, "link_id": LINK["link_id"], "expires_at": NOW},
    User.EmailChanged: {**LINK, "email": "ada@example.com", "former_email": "ada@example.org"},
    User.DeletionRequested: {"due": NOW},
    User.DeletionReminded: {},
    User.DeletionWithdrawn: {},
}
EVENTS = [
    kind(originator_id=ID, originator_version=number, timestamp=NOW, **values)
    for number, (kind, values) in enumerate(VALUES.items(), 2)
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_causes_mails_that_only_a_repeat_has_again(event: Root.Event) -> None:
    mails = [*send_account_mails(event)]  # type: ignore[arg-type]
    assert len(mails) == len(TEMPLATES[type(event)])
    for mail, template in zip(mails, TEMPLATES[type(event)], strict=True):
        assert isinstance(mail, AccountMail)
        assert (mail.user_id, mail.link_id) == (ID, getattr(event, "link_id", None))
        assert mail.effect_key == f"{template}.{ID.hex}.{event.originator_version}"


def test_the_policy_wants_all_events_that_have_a_template() -> None:
    assert POLICIES[send_account_mails.__name__].events == set(TEMPLATES) == {type(event) for event in EVENTS}
