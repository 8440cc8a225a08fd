"""How people join teams without an invitation: settings, domains that teams prove, join requests; and many invitations.

Policies and schedules do not run here: the rules play them, some at once, some later.
"""

from uuid import UUID

from application.teams.domain import AddDomain, NoteDomain, ProveDomain, RemoveDomain
from application.teams.domain_mail import ProveDomainByMail, RequestDomainMail
from application.teams.invitation import Invitee, InviteMembers
from application.teams.join_request import (
    AcceptJoinRequest,
    AskToJoin,
    DeclineJoinRequest,
    ShowJoinRequest,
    WithdrawJoinRequest,
)
from application.teams.settings import ChangeTeamSettings
from domain.billing.subscription import Plan
from domain.teams.join_request import JoinRequest
from domain.teams.roles import InvitedRole
from domain.teams.settings import DomainRole, JoinRule
from tests.support.people.machine import Machine, act, pick
from tests.support.people.team_model import ASK_AGAIN_DAYS, DOMAINS, LINK_DAYS, SEATS, DomainModel, JoinModel

JOIN_RULES: list[JoinRule] = ["invited_only", "by_request", "by_request_from_domains", "by_request"]
DOMAIN_ROLES: list[DomainRole | None] = [None, "editor", "viewer", "guest"]
ROLES: list[InvitedRole] = ["admin", "editor", "viewer", "guest"]
PLANS: list[Plan] = ["free", "pro", "free", "enterprise"]


class JoiningRules(Machine):
    """Who joins which team, and how."""

    @act(2)
    def change_settings(self, which: int, who: int, whom: int, how: int) -> None:
        number, team = self.team(which)
        join, role = pick(how, JOIN_RULES), pick(whom, DOMAIN_ROLES)
        command = ChangeTeamSettings(id=self.service.teams[number], join=join, domain_role=role)
        if self.manage(self.member_with("admin", number, who), number, command, "done"):
            team.join, team.domain_role = join, role

    @act(3)
    def change_seats(self, which: int, how: int) -> None:
        number, team = self.team(which)
        plan = pick(how, PLANS)
        self.service.change_plan(number, plan)
        team.seats = team.seats if team.gone else SEATS[plan]

    @act(3)
    def invite_many(self, which: int, who: int, whom: int, how: int) -> None:
        number, _ = self.team(which)
        addresses = [self.address(whom + 80 * each + each % 2) for each in range(3)]
        invited = [(address, pick(how + each, ROLES)) for each, address in enumerate([*addresses, addresses[0]])]
        invitees = [Invitee(self.service.emails[address], role) for address, role in invited]
        by = self.member_with("admin", number, who)
        answer = self.manage(by, number, InviteMembers(id=self.service.teams[number], invitees=invitees), "done")
        if answer:
            expected = [self.model.invite(by, number, address, role) for address, role in invited]
            self.outcomes.update([("InviteMembers", outcome) for outcome in answer.outcomes])
            assert answer.outcomes == expected, f"team {number}: {answer.outcomes}, not {expected}"

    @act(3)
    def add_domain(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which)
        domain = whom % DOMAINS
        command = AddDomain(id=self.service.teams[number], name=self.service.domains[domain])
        answer = self.manage(self.member_with("admin", number, who), number, command, "done")
        if answer:
            assert (self.service.domain_ids.get((number, domain)) == answer.id) == (domain in team.domains)
            self.service.domain_ids[number, domain] = answer.id
            team.domains.setdefault(domain, DomainModel())

    @act()
    def remove_domain(self, which: int, who: int, whom: int) -> None:
        number, domain = self._domain(which, whom)
        if domain is not None:
            command = RemoveDomain(id=self.service.teams[number], domain_id=self.service.domain_ids[number, domain])
            if self.manage(self.member_with("admin", number, who), number, command, "done"):
                self.model.teams[number].domains.pop(domain, None)
                self.service.publish(number, domain, there=False)

    @act(3)
    def prove_domain(self, which: int, who: int, whom: int, how: int) -> None:
        """Publish the record of a domain, mostly, and prove the domain by it."""
        number, domain = self._domain(which, whom)
        if domain is None:
            return
        model = self.model.teams[number].domains.get(domain)
        if model is not None:
            model.published = how % 4 > 0
            self.service.publish(number, domain, there=model.published)
        command = ProveDomain(id=self.service.teams[number], domain_id=self.service.domain_ids[number, domain])
        expected = "no_such_domain" if model is None else self._proof(number, domain, is_there=model.published)
        if self.manage(self.member_with("admin", number, who), number, command, expected) and model is not None:
            model.prove("record", self.model.day)

    @act()
    def withdraw_record(self, which: int, whom: int) -> None:
        """Take the record of a domain out of DNS."""
        number, domain = self._domain(which, whom)
        model = self.model.teams[number].domains.get(-1 if domain is None else domain)
        if model is not None and domain is not None:
            model.published = False
            self.service.publish(number, domain, there=False)

    @act(3)
    def mail_postmaster(self, which: int, who: int, whom: int) -> None:
        number, domain = self._domain(which, whom)
        if domain is None:
            return
        model = self.model.teams[number].domains.get(domain)
        command = RequestDomainMail(id=self.service.teams[number], domain_id=self.service.domain_ids[number, domain])
        if (
            self.manage(
                self.member_with("admin", number, who), number, command, "no_such_domain" if model is None else "done"
            )
            and model is not None
        ):
            model.mail = (self.service.take_mail(number, domain), self.model.day + LINK_DAYS)

    @act(3)
    def use_mail(self, which: int) -> None:
        """Use the link of a mail to a postmaster, who needs no account. It may have ended."""
        if not self.service.domain_mails:
            return
        mail = -1 if which % 4 else pick(which // 4, range(len(self.service.domain_mails)))
        number, domain, token = self.service.domain_mails[mail]
        team = self.model.teams[number]
        model = team.domains.get(domain)
        link, until = (None, 0.0) if model is None or model.mail is None else model.mail
        is_good = link == mail % len(self.service.domain_mails) and self.model.day < until and team.is_open
        expected = self._proof(number, domain, is_there=True) if is_good else "domain_link_not_valid"
        code, _ = self.send(None, ProveDomainByMail(token=token))
        assert code == expected, f"team {number}, domain {domain}: {code}, not {expected}"
        if code == "done" and model is not None:
            model.prove("mail", self.model.day)
            model.mail = None

    def _proof(self, number: int, domain: int, *, is_there: bool) -> str:
        """What comes of a proof of a domain."""
        taken = self.model.holder_of_domain(domain) not in (None, number)
        return "domain_not_proved" if not is_there else "taken" if taken else "done"

    @act(2)
    def look_for_records(self) -> None:
        """Look for the records of all proved domains, as a schedule does every day."""
        for (number, domain), id in self.service.domain_ids.items():
            team = self.model.teams[number]
            if not team.gone and domain in team.domains:
                found = team.domains[domain].published
                code, _ = self.send(None, NoteDomain(id=self.service.teams[number], domain_id=id, found=found))
                assert code == "done"
                team.domains[domain].look(self.model.day)

    @act(9)
    def ask_to_join(self, which: int, who: int, how: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.join != "invited_only"])
        by = self.someone(who, self._outside(number, how))
        name = self.service.slugs[number] if how % 2 and not team.gone else str(self.service.teams[number])
        last = team.asked.get(by)
        waits = last is not None and last.state == "declined" and self.model.day < last.answered + ASK_AGAIN_DAYS
        code, _ = self.send(by, AskToJoin(team=name))
        assert code == ("declined_recently" if waits else "done"), f"{by}, team {number}: {code}"
        if code == "done":
            team.asked[by] = JoinModel()
            if how % 4:
                self._show(by, number)

    def _outside(self, number: int, choice: int) -> list[int]:
        """People who are no members: mostly removed ones with an address of a proved domain."""
        team = self.model.teams[number]
        people = [each for each in self.model.active if each not in team.members]
        proved = [each for each in people if team.has_proved(self.model.addresses[each] % DOMAINS)]
        removed = [each for each in proved if each in team.removed]
        return (removed if choice % 3 else proved) or people

    @act()
    def show_requests(self) -> None:
        """Show the requests that the policy has not shown at once."""
        for number, team in enumerate(self.model.teams):
            for person, request in team.asked.items():
                if request.state == "open" and not request.shown and person in self.model.people:
                    self._show(person, number)

    def _show(self, person: int, number: int) -> None:
        code, _ = self.send(None, ShowJoinRequest(id=self._request_id(person, number)))
        assert code == "done"
        self.model.show_request(person, number)
        request = self.model.teams[number].asked[person]
        self.outcomes["ShowJoinRequest", "shown" if request.shown else request.state] += 1

    @act(2)
    def withdraw_request(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which, self._asked())
        open_ones = [each for each, request in team.asked.items() if request.state == "open"]
        asker, by = pick(whom, open_ones or self.model.people), self.someone(who, open_ones)
        code, _ = self.send(by, WithdrawJoinRequest(id=self._request_id(asker, number)))
        assert code == "done"
        if by == asker and by in open_ones:
            team.asked[by].state = "withdrawn"

    @act(6)
    def accept_request(self, which: int, who: int, whom: int, how: int) -> None:
        number, team = self.team(which, self._asked())
        asker, role = self._asker(number, whom), pick(how, ROLES)
        command = AcceptJoinRequest(id=self.service.teams[number], user_id=self.service.people[asker], role=role)
        expected, is_news = self._accepted(asker, number), asker not in team.members
        if self.manage(self.member_with("admin", number, who), number, command, expected) and is_news:
            self.model.admit(asker, number, role)

    def _accepted(self, asker: int, number: int) -> str:
        """What comes of accepting a person."""
        team = self.model.teams[number]
        request = team.asked.get(asker)
        if request is None or asker not in self.model.active:
            return "no_such_join_request"
        if request.state == "accepted" and asker in team.members:
            return "done"
        if request.state != "open" or not request.shown:
            return "no_such_join_request"
        if asker in team.members:
            return "already_a_member"
        return "done" if team.has_seat(self.model.addresses[asker], self.model.day) else "team_is_full"

    @act(4)
    def decline_request(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which, self._asked())
        asker = self._asker(number, whom)
        request = team.asked.get(asker, JoinModel())
        is_open = request.state == "open" and request.shown
        command = DeclineJoinRequest(id=self.service.teams[number], user_id=self.service.people[asker])
        expected = "done" if is_open or request.state == "declined" else "no_such_join_request"
        if self.manage(self.member_with("admin", number, who), number, command, expected) and is_open:
            request.state, request.answered = "declined", self.model.day

    def _asker(self, number: int, choice: int) -> int:
        """Mostly a person who asks to join a team, and whose request its admins see."""
        seen = [*self.model.seen_requests(number)]
        return pick(choice // 8, seen if seen and choice % 8 else self.model.people)

    def _asked(self) -> list[int]:
        """The teams whose admins see requests."""
        return [number for number in range(len(self.model.teams)) if self.model.seen_requests(number)]

    def _domain(self, which: int, whom: int) -> tuple[int, int | None]:
        """A team, and a domain that it has named, maybe one that it has removed."""
        number, _ = self.team(which, [n for n, each in enumerate(self.model.teams) if each.domains])
        known = [domain for team, domain in self.service.domain_ids if team == number]
        return number, pick(whom, known) if known else None

    def _request_id(self, person: int, number: int) -> UUID:
        return JoinRequest.id_of(self.service.teams[number], self.service.people[person])
