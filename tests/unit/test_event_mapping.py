"""Integration events are mapped by field names, and what cannot be mapped does not get past its import."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pytest

from adapters.integration_events import kernel
from adapters.integration_events.kernel import PublicEvent, PublicState
from adapters.integration_events.mapping import ContractError, From, compile_mapping
from adapters.integration_events.teams.team import TeamEvent, TeamMemberRemoved, TeamState
from domain.content.document import Document
from domain.teams.team import Team
from tests.support.given import ID, NOW, fact, given

MEMBER = UUID(int=2)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVENTS", "STATES"):
        monkeypatch.setattr(kernel, name, {source: {**made} for source, made in getattr(kernel, name).items()})


def removed() -> Team.MemberRemoved:
    happened = fact(Team.MemberRemoved, user_id=MEMBER)
    return Team.MemberRemoved(originator_id=ID, originator_version=3, timestamp=NOW, **happened.fields)


def test_fields_of_equal_names_are_copied() -> None:
    mapping = compile_mapping(TeamMemberRemoved, Team.MemberRemoved)
    assert mapping(removed()) == TeamMemberRemoved(version=3, occurred_at=NOW, team_id=ID, user_id=MEMBER)


def test_a_field_may_come_from_a_field_of_another_name_or_from_a_function() -> None:
    def hour_of(event: Team.MemberRemoved) -> int:
        return event.timestamp.hour

    class Removal(msgspec.Struct):
        former_member: Annotated[UUID, From("user_id")]
        hour: Annotated[int, From(hour_of)]

    assert compile_mapping(Removal, Team.MemberRemoved)(removed()) == Removal(MEMBER, 12)


def test_a_state_of_something_gone_is_none() -> None:
    mapping = compile_mapping(TeamState, Team, optional=True)
    founded = fact(Team.Founded, name="Crew", slug="crew", owner_id=MEMBER, seats=5)
    state = mapping(given(Team, founded))
    assert (state.owners, state.admins, state.members) == (1, 0, 1)
    assert mapping(given(Team, founded, fact(Team.Dissolved, slug="crew"))) is None


def test_a_new_version_is_registered_beside_the_old_one() -> None:
    class Later(TeamEvent, of=Team.MemberRemoved):
        NAME, VERSION = "team.member_removed", 2

    assert [made for made, _ in kernel.EVENTS[Team.MemberRemoved].values()] == [TeamMemberRemoved, Later]


def test_a_field_without_a_source_is_refused() -> None:
    with pytest.raises(ContractError, match=r"Gone\.member has no source: Team\.MemberRemoved has no field 'member'"):

        class Gone(TeamEvent, of=Team.MemberRemoved):
            NAME, VERSION = "team.member_removed", 2
            member: UUID


def test_a_renamed_source_is_refused() -> None:
    with pytest.raises(ContractError, match="has no field 'when'"):

        class Gone(TeamEvent, of=Team.MemberRemoved):
            NAME, VERSION = "team.member_removed", 2
            moment: Annotated[datetime, From("when")]


def test_a_method_of_the_domain_is_no_field() -> None:
    with pytest.raises(ContractError, match="has no field 'claims'"):

        class Claimed(TeamEvent, of=Team.Founded):
            NAME, VERSION = "team.founded", 2
            claims: str


def test_a_personal_field_is_refused_in_an_event() -> None:
    with pytest.raises(ContractError, match=r"would publish Document\.Created\.title, which is personal"):

        class Created(PublicEvent, of=Document.Created):
            NAME, VERSION = "document.created", 2
            heading: Annotated[str, From("title")]


def test_a_personal_field_is_refused_in_a_state() -> None:
    with pytest.raises(ContractError, match=r"would publish Team\.name, which is personal"):

        class Named(PublicState, of=Team):
            NAME, VERSION = "team.state", 2
            name: str


def test_a_name_without_a_source_is_refused() -> None:
    with pytest.raises(ContractError, match=r"never be published\. Add its source: class Lost\(of=\.\.\.\)"):

        class Lost(TeamEvent):
            NAME = "team.lost"


def test_a_name_of_another_aggregate_is_refused() -> None:
    with pytest.raises(ContractError, match=r"its NAME must begin with 'team\.'"):

        class Removed(TeamEvent, of=Team.MemberRemoved):
            NAME, VERSION = "crew.member_removed", 2


def test_a_second_class_of_one_version_is_refused() -> None:
    with pytest.raises(ContractError, match=r"as version 1 already, by TeamMemberRemoved\. Set the next VERSION"):

        class Removed(TeamEvent, of=Team.MemberRemoved):
            NAME = "team.member_removed"


def test_a_refused_class_is_not_published() -> None:
    before = {source: {**made} for source, made in kernel.EVENTS.items()}
    with pytest.raises(ContractError):

        class Gone(TeamEvent, of=Team.MemberRemoved):
            NAME, VERSION = "team.member_removed", 2
            member: UUID

    assert before == kernel.EVENTS
