"""The base of the machine of people: who does something, what comes of it, and what everybody is shown then."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from application.commands import Command
from domain.kernel import Party
from tests.support.people.model import RANKS, Model
from tests.support.people.service import NOT_KEPT, Service, Shown
from tests.support.people.team_model import TEAM_RANKS, TeamModel

PEOPLE = 30
STEP_DAYS = 0.01
"""Longer than the pause that invitations need."""

ANY = st.integers(0, 9_999)
"""A choice among as many as there are."""

REFUSED = ("not_found", "role_too_low")
"""The codes of refusals because of a role."""


T = TypeVar("T")
Act = TypeVar("Act", bound=Callable[..., None])
ACTS: list[str] = []
"""The names of all acts, each as often as its weight says."""


def act(weight: int = 1) -> Callable[[Act], Act]:
    """Let the machine call a method. Its parameters are choices, see `ANY`."""

    def register(method: Act) -> Act:
        ACTS.extend([method.__name__] * weight)
        return method

    return register


class Machine(RuleBasedStateMachine):
    """Commands of people, the model that they change, and the comparison of both.

    `outcomes`: how often each command came to each outcome, "done" or the code of a refusal.
    """

    def __init__(self, service: Service, outcomes: Counter[tuple[str, str]]) -> None:
        super().__init__()
        self.service, self.outcomes = service, outcomes
        self.model = Model(PEOPLE)
        self.steps = 0
        self.before: dict[tuple[int, int], str | None] = {}
        service.open(PEOPLE)

    @rule(name=st.deferred(lambda: st.sampled_from(ACTS)), which=ANY, who=ANY, whom=ANY, how=ANY)
    def step(self, name: str, **choices: int) -> None:
        """Let somebody act."""
        method = getattr(self, name)
        method(**{name: choices[name] for name in signature(method).parameters})

    def teardown(self) -> None:
        """Compare everything with everything."""
        try:
            for person in self.model.people:
                self.check_lists(person)
                for number in range(len(self.model.teams)):
                    self.check_team(person, number)
        finally:
            self.service.close()

    def someone(self, choice: int, likely: list[int]) -> int:
        """A person who can log in; mostly a likely one."""
        active = self.model.active
        likely = [each for each in likely if each in active]
        return pick(choice // 8, likely if likely and choice % 8 else active)

    def anyone(self, choice: int) -> int:
        """A person who is not erased."""
        return pick(choice, self.model.people)

    def one_with(self, role: str, number: int, choice: int) -> int:
        """Mostly a person who has a role on a document, or a higher one."""
        people = self.model.active
        return self.someone(choice, [p for p in people if RANKS[self.model.role(p, number)] >= RANKS[role]])

    def member_with(self, role: str, number: int, choice: int) -> int:
        """Mostly a member of a team who has a role, or a higher one."""
        members = self.model.teams[number].members
        return self.someone(choice, [p for p in members if TEAM_RANKS[members[p]] >= TEAM_RANKS[role]])

    def document(self, choice: int, likely: list[int] | None = None) -> tuple[int, UUID]:
        """A document, mostly one of those that are likely, or of those that exist; and its id."""
        living = [number for number, each in enumerate(self.model.documents) if not each.gone]
        number = mostly(choice, likely or living, len(self.model.documents))
        return number, self.service.documents[number]

    def team(self, choice: int, likely: list[int] | None = None) -> tuple[int, TeamModel]:
        """A team, mostly one of those that are likely, or of those that exist."""
        living = [number for number, each in enumerate(self.model.teams) if not each.gone]
        number = mostly(choice, likely or living, len(self.model.teams))
        return number, self.model.teams[number]

    def address(self, choice: int, likely: list[int] | None = None) -> int:
        """An address, mostly one of those that are likely, or of those that people have."""
        return mostly(choice, likely or [*self.model.addresses.values()], len(self.service.emails))

    def send(self, by: int | None, command: Command[Any]) -> tuple[str, Any]:
        """Send a command; return "done" with its answer, or the code of the refusal."""
        actor = None if by is None else self.service.actor(by, self.model.addresses[by])
        code, answer = self.service.send(command, actor)
        self.outcomes[type(command).__name__, code] += 1
        return code, answer

    def ask(self, by: int, command: Command[Any], *, may: bool) -> Any:
        """Send a command of a person who may do it by their role, or may not; return the answer if it was done."""
        code, answer = self.send(by, command)
        assert (code not in REFUSED) if may else (code != "done"), f"{by} {command}: {code}, may {may}"
        return (answer or True) if code == "done" else None

    def ask_of_document(self, by: int, number: int, needs: str, command: Command[Any]) -> Any:
        """Send a command about a document; it is refused if the person's role is lower than it needs."""
        role = self.model.role(by, number)
        code, answer = self.send(by, command)
        return self._judge(command, code, answer, role, RANKS[role] >= RANKS[needs])

    def ask_of_team(self, by: int, number: int, needs: str, command: Command[Any]) -> Any:
        """Send a command about a team; it is refused if the person's role is lower than it needs."""
        role = self.model.team_role(by, number)
        code, answer = self.send(by, command)
        seen = None if role == "invited" else role
        return self._judge(command, code, answer, seen, TEAM_RANKS[role] >= TEAM_RANKS[needs])

    def manage(self, by: int, number: int, command: Command[Any], expected: str) -> Any:
        """Send a command that admins of a team may do. `expected`: what comes of it if the person may do that."""
        role, team = self.model.team_role(by, number), self.model.teams[number]
        if TEAM_RANKS[role] < TEAM_RANKS["admin"]:
            expected = "not_found" if role in (None, "invited") else "role_too_low"
        elif not team.is_open:
            expected = "team_is_dissolved" if team.gone else "dissolution_is_requested"
        code, answer = self.send(by, command)
        assert code == expected, f"{by} {command}: {code}, not {expected}, with the role {role}"
        return (answer or True) if code == "done" else None

    def _judge(self, command: Command[Any], code: str, answer: Any, role: str | None, enough: bool) -> Any:
        expected = "not_found" if role is None else "role_too_low"
        assert (code not in REFUSED) if enough else (code == expected), f"{command}: {code}, with the role {role}"
        return (answer or True) if code == "done" else None

    @invariant()
    def everybody_sees_what_their_role_shows(self) -> None:
        """Compare, for people whose role has changed and for some others."""
        self.steps += 1
        self.model.day += STEP_DAYS
        self.service.clock.move(STEP_DAYS)
        self.service.catch_up()
        self.check_stream()
        chosen = random.Random(self.steps)
        pairs = self._changed_pairs()
        for person, number in chosen.sample(pairs, min(len(pairs), 3)):
            self.check_pair(person, number)
        if self.steps % 3 == 0:
            self.check_pair(chosen.choice(self.model.people), chosen.randrange(len(self.model.documents)))
            self.check_team(chosen.choice(self.model.people), chosen.randrange(len(self.model.teams)))
            self.check_lists(pairs[0][0] if pairs else chosen.choice(self.model.people))

    def _changed_pairs(self) -> list[tuple[int, int]]:
        """The people and documents of roles that the last step has changed."""
        roles = {
            (person, number): self.model.role(person, number)
            for person in self.model.people
            for number in range(len(self.model.documents))
        }
        before, self.before = self.before, roles
        return [pair for pair, role in roles.items() if before.get(pair) != role]

    def check_pair(self, person: int, number: int) -> None:
        """Compare what a person is shown of a document with their role."""
        kind, owner = self.model.documents[number].owner
        party = Party(kind, self.service.people[owner] if kind == "user" else self.service.teams[owner])
        role = self.model.role(person, number)
        shown = self.service.shown(self.service.actor(person, self.model.addresses[person]), number, party)
        gone = self.model.documents[number].gone
        folder = None if role is None else self.model.folder(person, number)
        exists, document = role is not None, self.model.documents[number]
        kept = (document.archived, document.trashed is not None, tuple(sorted(document.tags))) if exists else NOT_KEPT
        expected = Shown(role, shown.reads if gone else role, exists, exists, folder, *kept)
        assert shown == expected, f"person {person}, document {number}: {shown}, not {expected}"
        assert self.service.is_public(number) == self.model.is_public(number), f"document {number}"

    def check_lists(self, person: int) -> None:
        """Compare the lists of a person with their roles."""
        actor = self.service.actor(person, self.model.addresses[person])
        roles = {id: self.model.role(person, number) for number, id in enumerate(self.service.documents)}
        listed = self.service.listed(actor)
        assert listed == {id: role for id, role in roles.items() if role is not None}, f"person {person}"
        numbers = [number for number, each in enumerate(self.model.teams) if not each.gone]
        own = {self.service.teams[n] for n in numbers if self.model.team_role(person, n) not in (None, "invited")}
        assert self.service.listed_teams(actor) == own, f"person {person}"
        asked = {n: team.asked[person].state for n, team in enumerate(self.model.teams) if person in team.asked}
        assert self.service.own_requests(actor) == asked, f"person {person}"

    def check_team(self, person: int, number: int) -> None:
        """Compare what a person is shown of a team with their role, and what its admins see with the model."""
        actor = self.service.actor(person, self.model.addresses[person])
        team, role = self.model.teams[number], self.model.team_role(person, number)
        shown = self.service.shown_team(actor, number)
        assert (shown is None) == (role is None), f"person {person}, team {number}: {shown}"
        if shown is not None:
            seats = (team.seats, team.seats_taken(self.model.day), len(team.members))
            assert (shown.seats, shown.seats_taken, shown.members) == seats, f"team {number}: {shown}, not {seats}"
        requests, domains = self.service.requests_of(actor, number), self.service.domains_of(actor, number)
        if TEAM_RANKS[role] < TEAM_RANKS["admin"]:
            refused = "not_found" if role in (None, "invited") else "role_too_low"
            assert (requests, domains) == (refused, refused), f"person {person}, team {number}: {requests}, {domains}"
        else:
            assert requests == self.model.seen_requests(number), f"team {number}: {requests}"
            proofs = {domain: (each.proof, each.missed is not None) for domain, each in team.domains.items()}
            assert domains == proofs, f"team {number}: {domains}, not {proofs}"

    def check_stream(self) -> None:
        """Compare, for all people, who may read the events of the last step."""
        batch = self.service.new_events()
        documents = {id: number for number, id in enumerate(self.service.documents)}
        teams = {id: number for number, id in enumerate(self.service.teams)}
        for event in batch.events:
            if event.thing not in ("document", "team"):
                continue
            for person in self.model.people:
                actor = self.service.actor(person, self.model.addresses[person])
                if event.thing == "document":
                    rank = RANKS[self.model.role(person, documents[event.subject_id])]
                    may = rank >= RANKS["owner" if event.for_managers else "viewer"]
                else:
                    rank = TEAM_RANKS[self.model.team_role(person, teams[event.subject_id])]
                    may = rank >= TEAM_RANKS["admin" if event.for_managers else "viewer"]
                assert batch.may_read(actor, event) == may, f"person {person}: {event.type} {event.text!r}"


def pick(choice: int, among: Sequence[T]) -> T:
    """One of some things."""
    return among[choice % len(among)]


def mostly(choice: int, likely: list[int], count: int) -> int:
    """One of the numbers that are likely; now and then any one below `count`."""
    return pick(choice // 8, likely if likely and choice % 8 else range(count))
