"""The policy of mails about answered requests."""

from typing import Any
from uuid import UUID

from application.notices import NoticeMail
from application.policies.tell_of_answers import tell_of_answers
from domain.content.access_request import AccessRequest
from tests.support.given import ID, NOW

STREAM, BOB, ADA = (UUID(int=number) for number in (0x5, 2, 1))


def test_who_asked_gets_one_mail_about_each_answer() -> None:
    about: dict[str, Any] = {"originator_id": STREAM, "originator_version": 4, "timestamp": NOW}
    about |= {"document_id": ID, "user_id": BOB, "answered_by": ADA}
    events: dict[str, Any] = {
        "access_accepted": AccessRequest.Accepted(**{**about, "role": "viewer"}),
        "access_declined": AccessRequest.Declined(**about),
    }
    for template, event in events.items():
        [mail] = tell_of_answers(event)
        assert isinstance(mail, NoticeMail)
        assert (mail.template, mail.user_id, mail.about_id) == (template, BOB, ID)
        assert mail.effect_key == f"{template}.{BOB.hex}.{STREAM.hex}.4"
