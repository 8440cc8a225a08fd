"""Legal holds on users: asked for, confirmed, declined, lifted."""

from uuid import uuid5

from domain.identity.user import User
from domain.kernel import Root
from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold
from tests.support.history.kernel import History


def hold(history: History, user: User) -> list[Root]:
    """Take the next step of a hold on the user. It draws nothing, so all else in the history stays as it is."""
    holds = [each for each in history.of(LegalHold) if each.subject_id == user.id]
    if not holds or holds[-1].state in ("declined", "lifted"):
        return _ask(history, user, len(holds))
    [record] = [each for each in history.of(ErasureRecord) if each.subject_id == user.id]
    last = holds[-1]
    if last.state == "placed":
        last.ask_for_lifting(by="Kim", now=history.now)
    elif len(holds) % 3 == 2:
        last.decline(by="Lee", now=history.now)
    else:
        last.confirm(by="Lee", now=history.now)
        change = record.lift if last.id in record.holds else record.place
        change(last.id, now=history.now)
    return [last, record]


def _ask(history: History, user: User, number: int) -> list[Root]:
    id = uuid5(user.id, f"hold {number}")
    asked = LegalHold.ask("user", user.id, id=id, reason="Court of Otterton", by="Kim", now=history.now)
    found = [each for each in history.of(ErasureRecord) if each.subject_id == user.id]
    record = found[0] if found else history.add(ErasureRecord.open("user", user.id, now=history.now))
    record.note_request(asked.id, now=history.now)
    return [history.add(asked), record]
