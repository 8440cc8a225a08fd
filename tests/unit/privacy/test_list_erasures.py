"""The list of erasures: each of them is on it, and each can be repeated, also where a legal hold came since."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.utils import get_topic

from adapters.files.local_files import LocalFiles
from application.content.document import CreateDocument
from application.policies.list_erasures import list_erasures
from application.policy import POLICIES
from application.privacy.erasing import ERASERS
from application.privacy.erasure import EraseAddress, EraseUser
from application.privacy.erasure_list import (
    WITH_OTHERS,
    FinishErasure,
    ListedErasure,
    ListErasure,
    RepeatErasure,
    list_erasure,
)
from application.privacy.legal_hold import AskForHold, ConfirmHold
from application.teams.invitation import AcceptInvitation, InviteMember
from application.teams.team import FoundTeam
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import events_of
from domain.privacy.address import Address
from domain.privacy.erasure_record import ErasureRecord, SubjectKind
from domain.privacy.refusals import ErasureIsHeld
from domain.teams.team import Team
from tests.support.given import ID, NOW
from tests.support.lives import LIVES
from tests.support.use_cases import CommandRunner

ERASING = {event for root in LIVES for event in events_of(type(root)) if event.erases}


def test_each_event_that_destroys_a_key_is_listed() -> None:
    assert POLICIES["list_erasures"].events == ERASING
    assert POLICIES["list_erasures"].since == "beginning"


def test_each_kind_of_stream_that_is_erased_can_be_erased_again() -> None:
    assert {get_topic(event.root) for event in ERASING} == {*ERASERS, Address.TOPIC}
    assert all(kind == get_topic(ERASERS[kind][0]) for kind in ERASERS)
    assert {*WITH_OTHERS} <= {*ERASERS, Address.TOPIC}


def test_an_entry_is_named_by_what_was_erased_and_when() -> None:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    user.erase(now=datetime(2026, 12, 1, 12, 0, 0, 123456, UTC))
    erased = user.pending_events[-1]
    assert isinstance(erased, User.Erased)
    [job] = list_erasures(erased)
    assert isinstance(job, ListErasure)
    assert job.effect_key == f"erasures/user/{ID}/1796126400123456"
    assert ListedErasure.parse(job.effect_key) == ListedErasure("user", ID, erased.timestamp)


async def test_a_repeated_job_lists_an_erasure_once(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    job = ListErasure(stream_kind="user", stream_id=ID, erased_at=NOW)
    for _ in range(2):
        await list_erasure(job, files)
    assert [info.key async for info in files.list("erasures")] == [job.effect_key]


async def test_what_a_backup_has_brought_back_is_erased_again_although_it_is_held() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    hold = await runner.ask(AskForHold(subject_kind="user", subject_id=ada.user_id, reason="Court", by="Kim"))
    await runner.ask(ConfirmHold(id=hold.id, by="Lee"))
    assert (await runner.ask(RepeatErasure(stream_kind="document", stream_id=document.id))).changed
    assert (await runner.ask(RepeatErasure(stream_kind="user", stream_id=ada.user_id))).changed
    erased = [await runner.store.load(Document, document.id), await runner.store.load(User, ada.user_id)]
    assert [root is not None and root.erased for root in erased] == [True, True]
    assert [job for job, _ in runner.jobs.waiting] == [FinishErasure(stream_kind="user", stream_id=ada.user_id)]


async def test_an_address_is_erased_once_more() -> None:
    runner = CommandRunner()
    await runner.ask(EraseAddress(id=ID))
    assert (await runner.ask(RepeatErasure(stream_kind="address", stream_id=ID))).changed
    assert runner.happened() == ["address.erased", "address.erased_again"]


@pytest.mark.parametrize("kind", ["user", "document", "note"])
async def test_what_is_not_in_the_backup_needs_no_erasure(kind: str) -> None:
    runner = CommandRunner()
    assert (await runner.ask(RepeatErasure(stream_kind=kind, stream_id=UUID(int=9)))).changed == 0
    assert runner.jobs.waiting == []


async def test_the_rest_of_an_erasure_is_done_by_a_job() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    runner.jobs.waiting.append((FinishErasure(stream_kind="user", stream_id=ada.user_id), None))
    await runner.work()
    assert "user.erased" in runner.happened()
    assert (await runner.ask(EraseUser(id=ada.user_id))).changed == 0


@pytest.mark.parametrize("is_new", [False, True], ids=["of the backup", "placed before the rest is done"])
@pytest.mark.parametrize("kind", ["user", "team", "address"])
async def test_the_rest_of_a_repeated_erasure_is_done_although_there_is_a_hold(kind: SubjectKind, is_new: bool) -> None:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(InviteMember(id=team.id, email="bob@example.org"), ada)
    if kind != "address":
        await runner.ask(AcceptInvitation(id=team.id), bob)
    assert bob.address_id is not None
    id = {"user": bob.user_id, "team": team.id, "address": bob.address_id}[kind]
    repeat = RepeatErasure(stream_kind=kind, stream_id=id)
    if is_new:
        await runner.ask(repeat)
    asked = await runner.ask(AskForHold(subject_kind=kind, subject_id=id, reason="Court", by="Kim"))
    await runner.ask(ConfirmHold(id=asked.id, by="Lee"))
    if not is_new:
        await runner.ask(repeat)
    await runner.jobs.perform_all(runner.performer_ports)
    after, record = (
        await runner.store.load(Team, team.id),
        await runner.store.load(ErasureRecord, ErasureRecord.id_of(id)),
    )
    assert after is not None
    assert record is not None
    assert (after.erased, after.invited, bob.user_id in after.members) == (kind == "team", {}, False)
    assert not record.held, "an address that is used again is free"
    assert "legal_hold.erased" in runner.happened()


async def test_the_rest_of_a_repeated_erasure_fails_while_something_else_is_held() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    asked = await runner.ask(AskForHold(subject_kind="team", subject_id=team.id, reason="Court", by="Kim"))
    await runner.ask(ConfirmHold(id=asked.id, by="Lee"))
    await runner.ask(RepeatErasure(stream_kind="user", stream_id=ada.user_id))
    with pytest.raises(ErasureIsHeld):
        await runner.jobs.perform_all(runner.performer_ports)
    assert "team.erased" not in runner.happened()
