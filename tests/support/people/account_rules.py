"""What people do with their accounts, and what becomes due with time."""

from application.content.kept_document import EraseTrashedDocument
from application.identity.suspension import RemindOfDeletion, RequestDeletion, WithdrawDeletion
from application.privacy.erasure import CarryOutDissolution, EraseDeletedUser
from tests.support.people.machine import PEOPLE, Machine, act, pick
from tests.support.use_cases import PASSWORD

MIN_ACTIVE = PEOPLE // 2
DAYS = [1, 1, 1, 4, 4, 8, 15, 31]


class AccountRules(Machine):
    """Accounts: change the address, delete, withdraw that; and days that pass."""

    @act(2)
    def change_address(self, which: int, who: int, how: int) -> None:
        holders = {person for each in self.model.documents for person in each.bound.values()} - {*self.model.former}
        by, free = self.someone(who, sorted(holders)), self._free()
        address = pick(which, free) if free and how % 2 else len(self.service.emails)
        self.service.emails.setdefault(address, self.service.new_email(address))
        actor = self.service.actor(by, self.model.addresses[by])
        code = self.service.change_address(actor, by, self.service.emails[address])
        self.outcomes["ChangeAddress", code] += 1
        assert code == ("email_change_too_soon" if by in self.model.former else "done")
        if code == "done":
            self.model.former[by] = (self.model.addresses[by], self.model.day)
            self.model.addresses[by] = address

    def _free(self) -> list[int]:
        """Addresses that no person has or may have back; those that have a share, if there are any."""
        taken = {*self.model.addresses.values(), *(address for address, _ in self.model.former.values())}
        free = [each for each in self.service.emails if each not in taken]
        return [each for each in free if any(each in document.shares for document in self.model.documents)] or free

    @act()
    def delete_account(self, who: int) -> None:
        if len(self.model.active) > MIN_ACTIVE:
            by = self.someone(who, [])
            self.ask(by, RequestDeletion(password=PASSWORD), may=True)
            self.model.hidden[by] = self.model.day

    @act()
    def keep_account(self, who: int) -> None:
        if self.model.hidden:
            by = pick(who, [*self.model.hidden])
            email = self.service.emails[self.model.addresses[by]]
            code, _ = self.send(None, WithdrawDeletion(email=email, password=PASSWORD))
            assert code == "done"
            del self.model.hidden[by]
            self.model.reminded.pop(by, None)

    @act(2)
    def days_pass(self, how: int) -> None:
        """Let time pass, and do what has become due."""
        days = pick(how, DAYS)
        self.service.clock.move(days)
        self.model.day += days
        for number, document in enumerate(self.model.documents):
            if document.trashed is not None and not document.gone:
                self._erase_document(number)
        for number, team in enumerate(self.model.teams):
            if team.dissolving is not None and team.gone is None:
                self._dissolve(number)
        for person in [*self.model.former]:
            self.service.release_former_address(person)
            if self.model.day - self.model.former[person][1] > 7:
                del self.model.former[person]
        for person in [*self.model.hidden]:
            self._erase_person(person)

    def _erase_document(self, number: int) -> None:
        code, _ = self.send(None, EraseTrashedDocument(id=self.service.documents[number]))
        assert code == "done"
        document = self.model.documents[number]
        assert document.trashed is not None
        document.gone = self.model.day - document.trashed > 30

    def _dissolve(self, number: int) -> None:
        code, _ = self.send(None, CarryOutDissolution(id=self.service.teams[number]))
        assert code == "done"
        team = self.model.teams[number]
        assert team.dissolving is not None
        if self.model.day - team.dissolving > 14:
            team.gone, team.domains = "dissolved", {}
            self.model.erase_documents(("team", number))

    def _erase_person(self, person: int) -> None:
        """Erase an account that was to be deleted 30 days ago, three days after a reminder."""
        id, since = self.service.people[person], self.model.hidden[person]
        self.send(None, RemindOfDeletion(id=id))
        if self.model.day - since > 27:
            self.model.reminded.setdefault(person, self.model.day)
        code, step = self.send(None, EraseDeletedUser(id=id))
        assert code == "done"
        assert step.complete
        assert step.unread == []
        if self.model.day - self.model.reminded.get(person, self.model.day) > 3:
            self.model.erase_person(person)
