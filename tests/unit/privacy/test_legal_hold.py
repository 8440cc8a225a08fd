"""Legal holds: two people place one and lift it, and nothing of what is held is erased meanwhile."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from application.commands import Command
from application.content.document import CreateDocument, ShareDocument, TrashDocument
from application.content.kept_document import EraseTrashedDocument
from application.content.ownership import AcceptDocument, OfferDocument
from application.generation.generation import CancelGeneration, DeleteGeneration, RequestGeneration
from application.identity.sessions import DeletionPending, LogIn
from application.identity.suspension import RemindOfDeletion, RequestDeletion
from application.ports import Actor, Mail, VersionConflict
from application.privacy.erasing import ErasureStep
from application.privacy.erasure import (
    CarryOutDissolution,
    EraseAddress,
    EraseDeletedUser,
    EraseDocument,
    EraseTeam,
    EraseUnverifiedUser,
    EraseUser,
)
from application.privacy.legal_hold import AskForHold, AskForLifting, ConfirmHold, DeclineHold
from application.teams.dissolution import DissolveTeam
from application.teams.team import FoundTeam
from domain.content.document import Document
from domain.content.filing import TRASH_LIFETIME
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.identity.suspension import DELETION_GRACE
from domain.identity.user import User
from domain.privacy.erasure_record import ErasureRecord, SubjectKind
from domain.privacy.legal_hold import LegalHold
from domain.privacy.refusals import ErasureIsHeld, HoldIsNotWaiting, SameOperator
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.text import UnusableText
from tests.support.given import ID, NOW
from tests.support.use_cases import PASSWORD, CommandRunner

ADA = "ada@example.org"


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


def asked() -> LegalHold:
    return LegalHold.ask("user", ID, id=UUID(int=1), reason="Court of Otterton, 12/26", by="Kim Lee", now=NOW)


def state(one: LegalHold) -> str:
    return one.state


async def hold(runner: CommandRunner, kind: SubjectKind, id: UUID) -> UUID:
    """Place a hold; return its id."""
    view = await runner.ask(AskForHold(subject_kind=kind, subject_id=id, reason="Court of Otterton", by="Kim"))
    placed = await runner.ask(ConfirmHold(id=view.id, by="Lee"))
    assert (placed.state, placed.in_force) == ("placed", True)
    return view.id


async def lift(runner: CommandRunner, hold_id: UUID) -> None:
    """Lift a hold, by two people."""
    await runner.ask(AskForLifting(id=hold_id, by="Kim"))
    assert not (await runner.ask(ConfirmHold(id=hold_id, by="Lee"))).in_force


@pytest.mark.parametrize("name", ["Kim Lee", "kim  lee", " KIM LEE "])
def test_no_person_confirms_what_they_have_asked_for_themselves(name: str) -> None:
    one = asked()
    with pytest.raises(SameOperator):
        one.confirm(by=name, now=NOW)
    one.confirm(by="Lee", now=NOW)
    one.ask_for_lifting(by=name, now=NOW)
    with pytest.raises(SameOperator):
        one.confirm(by="Kim Lee", now=NOW)
    assert one.state == "lifting_asked"


def test_a_hold_goes_through_its_states_one_after_the_other() -> None:
    one = asked()
    with pytest.raises(HoldIsNotWaiting):
        one.ask_for_lifting(by="Lee", now=NOW)
    one.confirm(by="Lee", now=NOW)
    for refused in (one.confirm, one.decline):
        with pytest.raises(HoldIsNotWaiting):
            refused(by="Max", now=NOW)
    one.ask_for_lifting(by="Max", now=NOW)
    one.decline(by="Max", now=NOW)
    assert state(one) == "placed"
    one.ask_for_lifting(by="Max", now=NOW)
    one.confirm(by="Lee", now=NOW)
    assert state(one) == "lifted"
    with pytest.raises(HoldIsNotWaiting):
        one.ask_for_lifting(by="Max", now=NOW)


def test_an_erased_hold_can_not_be_confirmed_any_more() -> None:
    one = asked()
    one.erase(now=NOW)
    with pytest.raises(HoldIsNotWaiting):
        one.confirm(by="Lee", now=NOW)
    one.erase(now=NOW)
    assert len(one.pending_events) == 2, "a second erasure causes no event"


@pytest.mark.parametrize(("reason", "by"), [("", "Kim"), ("Court\nof Otterton", "Kim"), ("Court", " ")])
def test_a_hold_has_a_reason_and_a_name(reason: str, by: str) -> None:
    with pytest.raises(UnusableText):
        LegalHold.ask("user", ID, id=UUID(int=1), reason=reason, by=by, now=NOW)


def test_a_record_is_held_as_long_as_one_of_its_holds_is_in_force() -> None:
    record = ErasureRecord.open("user", ID, now=NOW)
    first, second = UUID(int=1), UUID(int=2)
    for id in (first, second, second):
        record.note_request(id, now=NOW)
        record.place(id, now=NOW)
    record.lift(first, now=NOW)
    record.lift(first, now=NOW)
    with pytest.raises(ErasureIsHeld):
        record.require_not_held()
    record.lift(second, now=NOW)
    record.require_not_held()
    assert len(record.pending_events) == 7, "a repeat causes no event"


async def test_a_hold_that_was_asked_for_or_declined_keeps_nothing(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    ask = AskForHold(subject_kind="user", subject_id=ada.user_id, reason="Court", by="Kim")
    declined = await runner.ask(ask)
    assert (await runner.ask(DeclineHold(id=declined.id, by="Kim"))).state == "declined"
    assert not (await runner.ask(ask)).in_force
    assert (await runner.ask(EraseUser(id=ada.user_id))).complete


async def test_a_held_user_is_not_erased_until_the_hold_is_lifted(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    hold_id = await hold(runner, "user", ada.user_id)
    happened = runner.happened()
    for command in (EraseUser(id=ada.user_id), EraseDocument(id=document.id)):
        with pytest.raises(ErasureIsHeld):
            await runner.ask(command)
    assert runner.happened() == happened
    await lift(runner, hold_id)
    assert (await runner.ask(EraseUser(id=ada.user_id))).complete
    assert runner.happened()[-1] == "user.erased"
    assert "legal_hold.erased" in runner.happened(), "the reason is about the user, too"


async def test_lifting_one_hold_leaves_the_other_one_in_force(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    first, _ = await hold(runner, "user", ada.user_id), await hold(runner, "user", ada.user_id)
    await lift(runner, first)
    with pytest.raises(ErasureIsHeld):
        await runner.ask(EraseUser(id=ada.user_id))


async def test_a_hold_on_an_address_keeps_its_shares_and_its_user(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    assert ada.address_id is not None
    await hold(runner, "address", ada.address_id)
    for command in (EraseAddress(id=ada.address_id), EraseUser(id=ada.user_id)):
        with pytest.raises(ErasureIsHeld):
            await runner.ask(command)


async def test_a_hold_on_a_team_keeps_it_from_its_erasure_and_its_dissolution(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(DissolveTeam(id=team.id), ada)
    await hold(runner, "team", team.id)
    runner.now = NOW + DISSOLUTION_GRACE
    for command in (EraseTeam(id=team.id), CarryOutDissolution(id=team.id), EraseUser(id=ada.user_id)):
        with pytest.raises(ErasureIsHeld):
            await runner.ask(command)


async def test_a_hold_keeps_an_account_that_was_never_verified(runner: CommandRunner) -> None:
    user = User.register(id=ID, email=ADA, name="Ada", password_hash="-", now=NOW)
    await runner.store.append([user], runner.call, None)
    await hold(runner, "user", ID)
    with pytest.raises(ErasureIsHeld):
        await runner.ask(EraseUnverifiedUser(id=ID))


async def test_a_held_document_stays_in_the_trash(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    await runner.ask(TrashDocument(id=document.id), ada)
    hold_id = await hold(runner, "user", ada.user_id)
    runner.now = NOW + TRASH_LIFETIME
    await runner.ask(EraseTrashedDocument(id=document.id))
    assert not (await loaded(runner, document.id)).erased
    await lift(runner, hold_id)
    await runner.ask(EraseTrashedDocument(id=document.id))
    assert (await loaded(runner, document.id)).erased


@pytest.mark.parametrize(
    ("held", "shown", "refused"),
    [("owner", True, True), ("founder", True, False), ("founder", False, True)],
    ids=["its owner", "its former owner", "its tenant, and reads do not show it"],
)
async def test_a_document_that_cannot_be_read_is_held_by_its_last_known_owner(
    runner: CommandRunner, held: str, shown: bool, refused: bool
) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor("bob@example.org")
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    await runner.ask(OfferDocument(id=document.id, email="bob@example.org"), ada)
    await runner.ask(AcceptDocument(id=document.id), bob)
    await hold(runner, "user", {"owner": bob, "founder": ada}[held].user_id)
    runner.store.unreadable = {document.id}
    if not shown:
        runner.holdings.quarantine(document.id, whole=True)
    if refused:
        with pytest.raises(ErasureIsHeld):
            await runner.ask(EraseDocument(id=document.id))
    else:
        await runner.ask(EraseDocument(id=document.id))
    assert ("document.erased" in runner.happened()) is not refused


async def test_a_held_user_deletes_no_generation(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    generation = await runner.ask(
        RequestGeneration(document_id=document.id, prompt="More.", variables={}, placement=Placement()), ada
    )
    await runner.ask(CancelGeneration(id=generation.id), ada)
    await hold(runner, "user", ada.user_id)
    with pytest.raises(ErasureIsHeld):
        await runner.ask(DeleteGeneration(id=generation.id), ada)


@pytest.mark.parametrize("erases_owner", [True, False], ids=["of the owner", "of the document"])
async def test_an_erasure_leaves_what_a_held_user_has_asked_for_until_the_hold_is_lifted(
    runner: CommandRunner, erases_owner: bool
) -> None:
    ada, bob, eve = [await runner.actor(f"{name}@example.org") for name in ("ada", "bob", "eve")]
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    asked = []
    for editor in (bob, eve):
        email = "bob@example.org" if editor is bob else "eve@example.org"
        await runner.ask(ShareDocument(id=document.id, email=email, role="editor"), ada)
        wish = RequestGeneration(document_id=document.id, prompt="More.", variables={}, placement=Placement())
        asked.append((await runner.ask(wish, editor)).id)
    hold_id = await hold(runner, "user", bob.user_id)
    assert (await runner.ask(EraseUser(id=ada.user_id) if erases_owner else EraseDocument(id=document.id))).complete
    assert (await loaded(runner, document.id)).erased
    generations = [await runner.store.load(Generation, id) for id in asked]
    assert [one is not None and one.erased for one in generations] == [False, True]
    other = await runner.ask(CreateDocument(title="Notes", content="Herons."), bob)
    wish = RequestGeneration(document_id=other.id, prompt="More.", variables={}, placement=Placement())
    own = (await runner.ask(wish, bob)).id
    second = await hold(runner, "user", bob.user_id)
    await lift(runner, hold_id)
    await runner.work()
    assert not (await loaded_generation(runner, asked[0])).erased, "another hold is in force"
    await lift(runner, second)
    await runner.work()
    assert not (await loaded_generation(runner, own)).erased, "its document is there"
    kept = await runner.store.load(Generation, asked[0])
    assert kept is not None
    assert kept.erased


async def loaded_generation(runner: CommandRunner, id: UUID) -> Generation:
    found = await runner.store.load(Generation, id)
    assert found is not None
    return found


async def test_the_user_hears_that_a_deletion_must_wait_and_not_why(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    hold_id = await hold(runner, "user", ada.user_id)
    assert [mail for mail in await runner.work() if mail.template.startswith("deletion")] == []
    await runner.ask(RequestDeletion(password=PASSWORD), ada)
    assert templates(await runner.work()) == ["deletion_requested", "deletion_held"]
    with pytest.raises(DeletionPending, match="as soon as the law allows"):
        await runner.ask(LogIn(email=ADA, password=PASSWORD))
    await lift(runner, hold_id)
    assert templates(await runner.work()) == ["deletion_resumed"]
    await hold(runner, "user", ada.user_id)
    assert templates(await runner.work()) == ["deletion_held"]
    said = [str(mail.values) for mail in runner.mail_box.mails]
    assert not any("Otterton" in values or "Kim" in values for values in said)


async def test_the_deletion_that_a_hold_has_stopped_is_due_once_it_is_lifted(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    await runner.ask(RequestDeletion(password=PASSWORD), ada)
    hold_id = await hold(runner, "user", ada.user_id)
    runner.now = NOW + DELETION_GRACE
    await remind(runner, ada)
    runner.now += timedelta(days=4)
    with pytest.raises(ErasureIsHeld):
        await runner.ask(EraseDeletedUser(id=ada.user_id))
    await runner.work()
    await lift(runner, hold_id)
    assert await runner.work() == [], "the account is gone: nothing is left to say"
    assert "user.erased" in runner.happened()


async def test_a_dissolution_that_a_hold_has_stopped_goes_on_once_it_is_lifted(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(DissolveTeam(id=team.id), ada)
    hold_id = await hold(runner, "team", team.id)
    runner.now = NOW + DISSOLUTION_GRACE
    await runner.work()
    await lift(runner, hold_id)
    await runner.work()
    assert "team.dissolved" in runner.happened()


@pytest.mark.parametrize("held_before", [True, False], ids=["the hold first", "the erasure first"])
async def test_of_a_hold_and_an_erasure_at_the_same_time_the_first_one_counts(
    runner: CommandRunner, held_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is decided again, by what the first one has stored."""
    ada = await runner.actor(ADA)
    asked = await runner.ask(AskForHold(subject_kind="user", subject_id=ada.user_id, reason="Court", by="Kim"))
    confirm, erase = ConfirmHold(id=asked.id, by="Lee"), EraseUser(id=ada.user_id)
    first, second = cast(tuple[Command[Any], Command[Any]], (confirm, erase) if held_before else (erase, confirm))
    append, conflicts = runner.store.append, []

    async def append_after_the_other(changes, call, idempotency, judged_by=None):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(runner.store, "append", append)
        await runner.send(first)
        try:
            return await append(changes, call, idempotency, judged_by)
        except VersionConflict as conflict:
            conflicts.append(conflict)
            raise

    monkeypatch.setattr(runner.store, "append", append_after_the_other)
    with pytest.raises(ErasureIsHeld if held_before else HoldIsNotWaiting):
        await runner.send(second)
    assert len(conflicts) == 1
    assert (runner.happened()[-1] == "user.erased") is not held_before


@pytest.mark.parametrize("kind", ["user", "team", "address"])
async def test_a_hold_that_is_confirmed_while_an_erasure_runs_stops_it(
    runner: CommandRunner, kind: SubjectKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure reads the record twice; it is judged by the first version, at which nothing was held."""
    ada = await runner.actor(ADA)
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    assert ada.address_id is not None
    erasures: dict[SubjectKind, EraseUser | EraseTeam | EraseAddress] = {
        "user": EraseUser(id=ada.user_id),
        "team": EraseTeam(id=team.id),
        "address": EraseAddress(id=ada.address_id),
    }
    asked = await runner.ask(AskForHold(subject_kind=kind, subject_id=erasures[kind].id, reason="Court", by="Kim"))
    load, reads = runner.store.load, []

    async def load_after_the_hold(root, id, *, version=None):  # type: ignore[no-untyped-def]
        if id == ErasureRecord.id_of(erasures[kind].id):
            reads.append(id)
            if len(reads) == 2:
                monkeypatch.setattr(runner.store, "load", load)
                await runner.send(ConfirmHold(id=asked.id, by="Lee"))
        return await load(root, id, version=version)

    monkeypatch.setattr(runner.store, "load", load_after_the_hold)
    with pytest.raises(ErasureIsHeld):
        await runner.send(erasures[kind])
    assert runner.happened()[-1] == "erasure_record.hold_placed"
    one = await runner.store.load(LegalHold, asked.id)
    assert one is not None
    assert (one.state, one.reason) == ("placed", "Court")


async def test_a_hold_between_two_steps_stops_the_rest_of_an_erasure(
    runner: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.privacy.erasing.MAX_EVENTS", 1)
    ada = await runner.actor(ADA)
    for title in ("One", "Two"):
        await runner.ask(CreateDocument(title=title, content="Otters."), ada)
    step: ErasureStep = await runner.ask(EraseUser(id=ada.user_id))
    assert not step.complete
    await hold(runner, "user", ada.user_id)
    with pytest.raises(ErasureIsHeld):
        await runner.ask(EraseUser(id=ada.user_id))
    assert "user.erased" not in runner.happened()


async def loaded(runner: CommandRunner, id: UUID) -> Document:
    document = await runner.store.load(Document, id)
    assert document is not None
    return document


async def remind(runner: CommandRunner, who: Actor) -> None:
    await runner.ask(RemindOfDeletion(id=who.user_id))


def templates(mails: Iterable[Mail]) -> list[str]:
    """The templates of the mails about deletions, in order."""
    return [mail.template for mail in mails if mail.template.startswith("deletion")]
