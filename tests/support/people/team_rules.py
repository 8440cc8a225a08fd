"""What people do with teams."""

from uuid_utils.compat import uuid7

from application.teams.dissolution import DissolveTeam, WithdrawDissolution
from application.teams.invitation import AcceptInvitation, DeclineInvitation, InviteMember, RevokeInvitation
from application.teams.ownership import AcceptOwnership, DeclineOwnership, OfferOwnership, WithdrawOwnershipOffer
from application.teams.team import ChangeMemberRole, FoundTeam, LeaveTeam, RemoveMember
from domain.teams.roles import InvitedRole, Role
from tests.support.people.machine import Machine, act, pick
from tests.support.people.team_model import TEAM_RANKS, TeamModel

MAX_TEAMS = 8
INVITED_ROLES: list[InvitedRole] = ["admin", "editor", "viewer", "guest"]
ROLES: list[Role] = ["owner", "admin", "editor", "viewer", "guest"]


class TeamRules(Machine):
    """Teams: found, invite, accept, change roles, leave, remove, transfer, dissolve."""

    @act()
    def found(self, who: int) -> None:
        if len(self.model.teams) < MAX_TEAMS:
            by = self.someone(who, [])
            founded = self.ask(by, FoundTeam(name="Crew", slug=f"crew-{uuid7().hex[-12:]}"), may=True)
            self.service.teams.append(founded.id)
            self.service.slugs.append(founded.slug)
            self.model.teams.append(TeamModel({}, {}))
            self.model.join(by, len(self.model.teams) - 1, "owner")

    @act(4)
    def invite(self, which: int, who: int, whom: int, how: int) -> None:
        number, team = self.team(which)
        back = [self.model.addresses[person] for person in self.model.with_ended_loan(number)]
        by, address, role = self.member_with("admin", number, who), self.address(whom, back), pick(how, INVITED_ROLES)
        command = InviteMember(id=self.service.teams[number], email=self.service.emails[address], role=role)
        is_allowed = team.is_open and TEAM_RANKS[self.model.team_role(by, number)] >= TEAM_RANKS["admin"]
        outcome = self.model.invite(by, number, address, role) if is_allowed else ""
        self.manage(by, number, command, "done" if outcome == "invited" else outcome)

    @act(6)
    def accept_invitation(self, which: int, who: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.invited])
        by = self.someone(who, self._invited(number))
        role, is_member = self.model.invitation(by, number), by in team.members
        is_full = len(team.members) >= team.seats
        done = self.ask(by, AcceptInvitation(id=self.service.teams[number]), may=is_member or role is not None)
        if team.is_open and role is not None and not is_member:
            assert bool(done) == (not is_full), f"{by}, team {number}: {len(team.members)} of {team.seats}"
        if done and role is not None and not is_member:
            self.model.join(by, number, role)
            del team.invited[self.model.addresses[by]]

    @act()
    def decline_invitation(self, which: int, who: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.invited])
        by = self.someone(who, self._invited(number))
        may = self.model.addresses[by] in team.invited
        if self.ask(by, DeclineInvitation(id=self.service.teams[number]), may=may):
            del team.invited[self.model.addresses[by]]

    def _invited(self, number: int) -> list[int]:
        return [person for person in self.model.active if self.model.invitation(person, number)]

    @act()
    def revoke_invitation(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.invited])
        by, address = self.member_with("admin", number, who), self.address(whom, [*team.invited])
        command = RevokeInvitation(id=self.service.teams[number], email=self.service.emails[address])
        if self.ask_of_team(by, number, "admin", command):
            team.invited.pop(address, None)

    @act(3)
    def change_role(self, which: int, who: int, whom: int, how: int) -> None:
        number, team = self.team(which)
        by, user, role = self.member_with("admin", number, who), self.someone(whom, [*team.members]), pick(how, ROLES)
        command = ChangeMemberRole(id=self.service.teams[number], user_id=self.service.people[user], role=role)
        if self._manage(by, number, command, "owner" in (role, team.members.get(user))) and team.members[user] != role:
            team.members[user] = role
            team.end_offer(user)

    @act(3)
    def remove(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which)
        by, user = self.member_with("admin", number, who), self.someone(whom, self._leaving(number))
        command = RemoveMember(id=self.service.teams[number], user_id=self.service.people[user])
        if self._manage(by, number, command, team.members.get(user) == "owner") and user in team.members:
            team.end(user)
            team.removed.add(user)

    def _manage(self, by: int, number: int, command: ChangeMemberRole | RemoveMember, concerns_owners: bool) -> object:
        """Send a command about a member. Only owners make, change and remove owners."""
        rank = TEAM_RANKS[self.model.team_role(by, number)]
        if concerns_owners and rank == TEAM_RANKS["admin"]:
            return self.ask(by, command, may=False)
        return self.ask_of_team(by, number, "admin", command)

    @act(3)
    def leave_team(self, which: int, who: int) -> None:
        number, team = self.team(which)
        by = self.someone(who, self._leaving(number))
        if self.ask_of_team(by, number, "guest", LeaveTeam(id=self.service.teams[number])):
            team.end(by)

    def _leaving(self, number: int) -> list[int]:
        """Members who take back what they have lent when they leave, if there are any; else all members."""
        return self.model.lenders(number) or [*self.model.teams[number].members]

    @act(2)
    def offer_ownership(self, which: int, who: int, whom: int) -> None:
        number, team = self.team(which)
        by, user = self.member_with("owner", number, who), self.someone(whom, [*team.members])
        command = OfferOwnership(id=self.service.teams[number], user_id=self.service.people[user])
        if self.ask_of_team(by, number, "owner", command) and user != by:
            team.offer = (by, user)

    @act(4)
    def answer_ownership(self, which: int, who: int, how: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.offer is not None])
        owner, to = team.offer or (None, None)
        by, id = self.someone(who, [] if to is None else [to]), self.service.teams[number]
        if self.ask(by, AcceptOwnership(id=id) if how % 3 else DeclineOwnership(id=id), may=by == to):
            if how % 3 and owner is not None:
                team.members[owner], team.members[by] = "admin", "owner"
            team.offer = None

    @act()
    def withdraw_ownership(self, which: int, who: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.offer is not None])
        by = self.member_with("owner", number, who)
        if self.ask_of_team(by, number, "owner", WithdrawOwnershipOffer(id=self.service.teams[number])):
            team.offer = None

    @act(2)
    def dissolve(self, which: int, who: int) -> None:
        number, team = self.team(which)
        by = self.member_with("owner", number, who)
        done = self.ask_of_team(by, number, "owner", DissolveTeam(id=self.service.teams[number]))
        if done and team.dissolving is None:
            team.dissolving = self.model.day

    @act(2)
    def keep(self, which: int, who: int) -> None:
        number, team = self.team(which, [n for n, each in enumerate(self.model.teams) if each.dissolving is not None])
        by = self.member_with("owner", number, who)
        if self.ask_of_team(by, number, "owner", WithdrawDissolution(id=self.service.teams[number])):
            team.dissolving = None
