"""Legal holds: asked for, confirmed, lifted, declined."""

from domain.identity.user import User
from domain.kernel import Root
from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold
from tests.support.history.kernel import History, begins, changes


@begins(LegalHold, chance=0.02, needs=[User])
def ask(history: History) -> list[Root]:
    user_id = history.any(User).id
    hold = LegalHold.ask("user", user_id, id=history.id(), reason=history.line(), by="Kim", now=history.now)
    found = [each for each in history.of(ErasureRecord) if each.subject_id == user_id]
    record = found[0] if found else history.add(ErasureRecord.open("user", user_id, now=history.now))
    record.note_request(hold.id, now=history.now)
    return [history.add(hold), record]


@changes(LegalHold, weight=2)
def confirm_or_decline(history: History) -> list[Root]:
    hold = history.any(LegalHold)
    [record] = [each for each in history.of(ErasureRecord) if hold.id in each.asked_holds]
    if hold.state == "placed":
        hold.ask_for_lifting(by="Kim", now=history.now)
    elif history.random.random() < 0.2:
        hold.decline(by="Lee", now=history.now)
    else:
        hold.confirm(by="Lee", now=history.now)
    if hold.state == "placed":
        record.place(hold.id, now=history.now)
    elif hold.state == "lifted":
        record.lift(hold.id, now=history.now)
    return [hold, record]
