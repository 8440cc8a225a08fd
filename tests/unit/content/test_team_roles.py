"""Roles on the documents of a team: they follow from the roles in it, as the log has them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.commands import Command
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    DuplicateDocument,
    LeaveDocument,
    RestoreFromTrash,
    ShareDocument,
    TrashDocument,
)
from application.content.filing import ArchiveDocument, TagDocument
from application.content.publication import PublishDocument
from application.content.share_link import CreateShareLink, OpenShareLink
from application.content.star import StarDocument
from application.ports import Actor
from application.privacy.erasure import CarryOutDissolution
from application.teams.dissolution import DissolveTeam, WithdrawDissolution
from application.teams.team import ChangeMemberRole, LeaveTeam, RemoveMember
from domain.access import DOCUMENT, RoleTooLow
from domain.billing.subscription import QuotaExceeded, Subscription
from domain.content.document import Document
from domain.content.roles import Role
from domain.content.team_roles import ROLE_BY_TEAM_ROLE, role_by_team
from domain.kernel import NotFound, Party
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.roles import RANKING
from domain.teams.roles import Role as TeamRole
from domain.teams.team import Team
from tests.support.crew import EDITORS, OWNERS, READERS, Crew, open_crew
from tests.support.given import ID, NOW, person
from tests.support.use_cases import CommandRunner

MEMBERS: dict[TeamRole, Actor] = {role: person(number) for number, role in enumerate(RANKING, 1)}


def team() -> Team:
    """A team with a member of each role."""
    found = Team.found(id=ID, name="Crew", slug="crew", owner_id=MEMBERS["owner"].user_id, now=NOW)
    found.members = {who.user_id: role for role, who in MEMBERS.items()}
    return found


def document_of(team_id: UUID) -> Document:
    """A document of a team."""
    return Document.create(id=UUID(int=2), owner_kind="team", owner_id=team_id, title="Plan", content="", now=NOW)


@pytest.mark.parametrize(
    ("in_team", "on_things"),
    [("owner", "owner"), ("admin", "owner"), ("editor", "editor"), ("viewer", "viewer"), ("guest", None)],
)
def test_a_role_in_a_team_gives_one_on_what_belongs_to_it(in_team: TeamRole, on_things: Role | None) -> None:
    assert role_by_team(team(), MEMBERS[in_team]) == on_things


@pytest.mark.parametrize("in_team", RANKING)
@pytest.mark.parametrize("action", DOCUMENT.rules)
def test_a_member_may_do_with_a_document_what_the_table_says(in_team: TeamRole, action: str) -> None:
    who, given = MEMBERS[in_team], ROLE_BY_TEAM_ROLE[in_team]
    who = replace(who, lent={} if given is None else {ID: given})
    document = document_of(ID)
    assert document.role_of(who) == given
    if DOCUMENT.allows(action, given):
        document.require(action, who)
    else:
        with pytest.raises(NotFound if given is None else RoleTooLow):
            document.require(action, who)


def test_a_role_in_a_team_gives_none_on_documents_of_another_owner() -> None:
    who = replace(person(1), lent={ID: "owner"})
    assert document_of(UUID(int=7)).role_of(who) is None


@pytest.mark.parametrize("in_team", RANKING)
def test_a_team_that_is_about_to_be_dissolved_is_read_only_and_a_dissolved_one_gives_nothing(in_team: TeamRole) -> None:
    ending, who = team(), MEMBERS[in_team]
    ending.dissolution_due = NOW + DISSOLUTION_GRACE
    assert role_by_team(ending, who) == (None if in_team == "guest" else "viewer")
    ending.dissolved_at = NOW + DISSOLUTION_GRACE
    assert role_by_team(ending, who) is None


def test_a_stranger_has_no_role_by_a_team() -> None:
    assert role_by_team(team(), person(9)) is None


@pytest.fixture
async def crew() -> Crew:
    """A team with a member of each role, and a stranger."""
    return await open_crew()


async def test_editors_of_a_team_create_documents_in_it(crew: Crew) -> None:
    assert await crew.outcomes(CreateDocument(title="Plan", team_id=crew.id)) == EDITORS
    view = await crew.write()
    assert (view.owner_kind, view.owner_id) == ("team", crew.id)


async def test_commands_judge_the_members_of_a_team_by_the_log(crew: Crew) -> None:
    id = (await crew.write()).id
    expected: list[tuple[Command[Any], dict[str, str]]] = [
        (StarDocument(id=id), READERS),
        (DuplicateDocument(id=id), READERS),
        (ChangeDocument(id=id, title="New"), EDITORS),
        (TagDocument(id=id, tags=["rivers"]), EDITORS),
        (ArchiveDocument(id=id), EDITORS),
        (DuplicateDocument(id=id, team_id=crew.id), EDITORS),
        (PublishDocument(id=id), OWNERS),
        (ShareDocument(id=id, email="eve@example.org", role="viewer"), OWNERS),
        (CreateShareLink(id=id, role="viewer"), OWNERS),
        (TrashDocument(id=id), OWNERS),
        (RestoreFromTrash(id=id), OWNERS),
    ]
    for command, outcome in expected:
        assert await crew.outcomes(command) == outcome, command


async def test_a_removed_member_and_one_who_left_do_nothing_more(crew: Crew) -> None:
    change = ChangeDocument(id=(await crew.write()).id, title="New")
    await crew.runner.ask(RemoveMember(id=crew.id, user_id=crew.people["editor"].user_id), crew.people["owner"])
    await crew.runner.ask(LeaveTeam(id=crew.id), crew.people["admin"])
    assert await crew.outcomes(change) == {**EDITORS, "admin": "not found", "editor": "not found"}


async def test_a_role_counts_from_its_change_on(crew: Crew) -> None:
    change, owner = ChangeDocument(id=(await crew.write()).id, title="New"), crew.people["owner"]
    await crew.runner.ask(ChangeMemberRole(id=crew.id, user_id=crew.people["editor"].user_id, role="viewer"), owner)
    await crew.runner.ask(ChangeMemberRole(id=crew.id, user_id=crew.people["viewer"].user_id, role="editor"), owner)
    assert await crew.outcomes(change) == {**EDITORS, "editor": "role_too_low", "viewer": "done"}


async def test_a_team_that_is_about_to_be_dissolved_lets_nobody_write(crew: Crew) -> None:
    id, owner = (await crew.write()).id, crew.people["owner"]
    await crew.runner.ask(DissolveTeam(id=crew.id), owner)
    refused = {who: "role_too_low" if said == "done" else said for who, said in READERS.items()}
    assert await crew.outcomes(ChangeDocument(id=id, title="New")) == refused
    assert await crew.outcomes(CreateDocument(title="Plan", team_id=crew.id)) == refused
    assert await crew.outcomes(DuplicateDocument(id=id)) == READERS
    await crew.runner.ask(WithdrawDissolution(id=crew.id), owner)
    assert await crew.outcomes(ChangeDocument(id=id, title="New")) == EDITORS
    await crew.runner.ask(DissolveTeam(id=crew.id), owner)
    crew.runner.now += DISSOLUTION_GRACE
    await crew.runner.ask(CarryOutDissolution(id=crew.id))
    assert await crew.outcomes(DuplicateDocument(id=id)) == dict.fromkeys(crew.people, "not found")


async def test_a_share_and_a_link_add_to_the_role_by_a_team(crew: Crew) -> None:
    id, owner = (await crew.write()).id, crew.people["owner"]
    await crew.runner.ask(ShareDocument(id=id, email="viewer@example.org", role="editor"), owner)
    link = await crew.runner.ask(CreateShareLink(id=id, role="editor"), owner)
    await crew.runner.ask(OpenShareLink(token=link.token), crew.people["guest"])
    change = ChangeDocument(id=id, title="New")
    assert await crew.outcomes(change) == {**EDITORS, "viewer": "done", "guest": "done"}
    await crew.runner.ask(LeaveDocument(id=id), crew.people["viewer"])
    await crew.runner.ask(LeaveDocument(id=id), crew.people["guest"])
    assert await crew.outcomes(change) == EDITORS


async def test_a_document_of_a_team_uses_the_quota_of_the_team(crew: Crew) -> None:
    """The founder's plan is the team's first one, as it gave the team its seats."""
    plan = await crew.runner.store.load(Subscription, Subscription.id_of(Party("team", crew.id)))
    assert plan is not None
    assert plan.plan == "pro"
    plan.cancel(now=NOW)
    await crew.runner.store.append([plan], crew.runner.call, None)
    for _ in range(5):
        await crew.write()
    with pytest.raises(QuotaExceeded):
        await crew.write("admin")
    assert await crew.does("editor", CreateDocument(title="My own")) == "done"
    crew.runner.now += timedelta(days=31)
    assert (await crew.write()).owner_id == crew.id


async def test_a_team_of_an_earlier_version_gets_its_plan_with_its_first_document() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    earlier = Team.found(id=ID, name="Crew", slug="crew", owner_id=ada.user_id, now=NOW)
    await runner.store.append([earlier], runner.call, None)
    await runner.ask(CreateDocument(title="Plan", team_id=ID), ada)
    assert runner.happened()[-3:] == ["document.created", "subscription.started", "subscription.quota_used"]
