"""The policy that tells users of holds: one mail for each event, and each names the record of the user."""

from typing import Any, cast

from application.policies.tell_of_holds import tell_of_holds
from application.policy import Reaction
from application.privacy.hold_mails import HoldMail
from domain.identity.suspension import request_deletion
from domain.identity.user import User
from domain.kernel import Root
from domain.privacy.erasure_record import ErasureRecord
from tests.support.given import ID, NOW
from tests.support.lives.privacy.legal_hold import HOLD_ID

RECORD_ID = ErasureRecord.id_of(ID)


def reactions(root: Root) -> list[Reaction]:
    """What the last event causes."""
    return list(tell_of_holds(cast(Any, root.pending_events[-1])))


def test_a_request_for_a_deletion_asks_whether_the_user_is_held() -> None:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    request_deletion(user, now=NOW)
    assert reactions(user) == [HoldMail(template="deletion_held", record_id=RECORD_ID, stream_id=ID, version=2)]


def test_a_hold_and_its_end_have_mails_of_their_own() -> None:
    record = ErasureRecord.open("user", ID, now=NOW)
    record.place(HOLD_ID, now=NOW)
    assert reactions(record) == [
        HoldMail(template="deletion_held", record_id=RECORD_ID, stream_id=RECORD_ID, version=2)
    ]
    record.lift(HOLD_ID, now=NOW)
    assert reactions(record) == [
        HoldMail(template="deletion_resumed", record_id=RECORD_ID, stream_id=RECORD_ID, version=3)
    ]
