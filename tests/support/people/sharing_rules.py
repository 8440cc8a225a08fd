"""How people give others access to documents, and take it away: shares, links, loans, requests."""

from application.content.access_request import AcceptAccessRequest, AskForAccess, DeclineAccessRequest
from application.content.document import LeaveDocument, RevokeShare, ShareDocument
from application.content.lending import LendDocument, TakeDocumentBack
from application.content.share_link import CreateShareLink, OpenShareLink, RevokeShareLink
from domain.content.roles import ShareRole
from tests.support.people.machine import Machine, act, pick

SHARE_ROLES: list[ShareRole] = ["viewer", "commenter", "editor"]


class SharingRules(Machine):
    """Who gets access, and who loses it."""

    @act(4)
    def share(self, which: int, who: int, whom: int, how: int) -> None:
        number, id = self.document(which)
        by, address, role = self.one_with("owner", number, who), self.address(whom), pick(how, SHARE_ROLES)
        command = ShareDocument(id=id, email=self.service.emails[address], role=role)
        if self.ask_of_document(by, number, "owner", command):
            self.model.documents[number].shares[address] = role

    @act(2)
    def revoke_share(self, which: int, who: int, whom: int) -> None:
        number, id = self.document(which, [n for n, each in enumerate(self.model.documents) if each.shares])
        by, address = self.one_with("owner", number, who), self.address(whom, [*self.model.documents[number].shares])
        command = RevokeShare(id=id, email=self.service.emails[address])
        if self.ask_of_document(by, number, "owner", command):
            self.model.documents[number].revoke(address)

    @act(3)
    def leave(self, which: int, who: int) -> None:
        number, id = self.document(which, [n for n, each in enumerate(self.model.documents) if each.bound])
        document = self.model.documents[number]
        by = self.someone(who, [*document.bound.values(), *document.guests])
        if self.ask_of_document(by, number, "viewer", LeaveDocument(id=id)):
            for address in self.model.shares_of(by, document):
                document.revoke(address)
            document.guests.pop(by, None)

    @act(3)
    def make_link(self, which: int, who: int, how: int) -> None:
        number, id = self.document(which)
        by, role = self.one_with("owner", number, who), pick(how, SHARE_ROLES)
        made = self.ask_of_document(by, number, "owner", CreateShareLink(id=id, role=role))
        if made:
            self.model.documents[number].links[len(self.service.links)] = role
            self.service.links.append((made.id, made.token, number))

    @act(2)
    def revoke_link(self, which: int, who: int) -> None:
        if self.service.links:
            link = pick(which, [*range(len(self.service.links))])
            link_id, _, number = self.service.links[link]
            by = self.one_with("owner", number, who)
            command = RevokeShareLink(id=self.service.documents[number], link_id=link_id)
            if self.ask_of_document(by, number, "owner", command):
                self.model.documents[number].links.pop(link, None)

    @act(4)
    def open_link(self, which: int, who: int) -> None:
        if self.service.links:
            link = pick(which, [*range(len(self.service.links))])
            _, token, number = self.service.links[link]
            document, by = self.model.documents[number], self.someone(who, [])
            is_open = document.trashed is None and not document.gone and not self.model.is_hidden_from(by, document)
            may = link in document.links and is_open
            code, _ = self.send(by, OpenShareLink(token=token))
            assert code == ("done" if may else "share_link_not_valid")
            if may and self.model.role(by, number) != "owner":
                document.guests.setdefault(by, set()).add(link)

    @act(4)
    def lend(self, which: int, who: int, whom: int, how: int) -> None:
        number, id = self.document(which, self._lendable())
        by, role = self.one_with("owner", number, who), pick(how, SHARE_ROLES)
        team, model = self.team(whom, [n for n, each in enumerate(self.model.teams) if each.role_on_documents(by)])
        may = self.model.role(by, number) == "owner" and model.role_on_documents(by) is not None
        if self.ask(by, LendDocument(id=id, team_id=self.service.teams[team], role=role), may=may):
            self.model.documents[number].loans[team] = (role, model.memberships[by])

    def _lendable(self) -> list[int]:
        """The documents of users who are members of a team."""
        owners = {("user", person) for team in self.model.teams for person in team.members}
        return [number for number, each in enumerate(self.model.documents) if each.owner in owners]

    @act(2)
    def take_back(self, which: int, who: int, whom: int) -> None:
        number, id = self.document(which, [n for n, each in enumerate(self.model.documents) if each.loans])
        document, by = self.model.documents[number], self.one_with("owner", number, who)
        team, _ = self.team(whom, [*document.loans])
        command = TakeDocumentBack(id=id, team_id=self.service.teams[team])
        if self.ask_of_document(by, number, "owner", command):
            document.loans.pop(team, None)

    @act(2)
    def ask_for_access(self, which: int, who: int, how: int) -> None:
        number, id = self.document(which)
        by, role = self.someone(who, []), pick(how, SHARE_ROLES)
        if self.ask(by, AskForAccess(id=id, role=role), may=True):
            self.model.documents[number].requests[by] = ("open", role)

    @act(3)
    def answer_request(self, which: int, who: int, whom: int, how: int) -> None:
        number, id = self.document(which, [n for n, each in enumerate(self.model.documents) if each.requests])
        document, by = self.model.documents[number], self.one_with("owner", number, who)
        asker = pick(whom, [*document.requests] or self.model.people)
        user_id = self.service.people[asker]
        command = (
            AcceptAccessRequest(id=id, user_id=user_id) if how % 3 else DeclineAccessRequest(id=id, user_id=user_id)
        )
        if self.ask_of_document(by, number, "owner", command):
            state, role = document.requests[asker]
            if how % 3 and (state != "accepted" or asker not in document.bound.values()):
                self.model.give(asker, number, role)
            document.requests[asker] = ("accepted" if how % 3 else "declined", role)
