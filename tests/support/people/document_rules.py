"""What people do with documents: write, file, give away, publish, trash."""

from typing import Any

from application.content.document import (
    BindShare,
    ChangeDocument,
    CreateDocument,
    DuplicateDocument,
    RestoreFromTrash,
    TrashDocument,
)
from application.content.filing import FileDocument
from application.content.folder import CreateFolder
from application.content.ownership import (
    AcceptDocument,
    DeclineDocument,
    OfferDocument,
    OfferDocumentToTeam,
    WithdrawDocumentOffer,
)
from application.content.publication import PublishDocument, WithdrawDocument
from tests.support.people.machine import Machine, act, pick
from tests.support.people.model import RANKS, DocumentModel, Owner
from tests.support.people.team_model import OFFER_DAYS

MAX_DOCUMENTS = 40


class DocumentRules(Machine):
    """What becomes of documents."""

    @act()
    def create(self, who: int) -> None:
        by = self.someone(who, [])
        self._add(self.ask(by, CreateDocument(title="A"), may=True), ("user", by))

    @act()
    def create_for_team(self, which: int, who: int) -> None:
        number, team = self.team(which)
        by = self.member_with("editor", number, who)
        may = RANKS[team.role_on_documents(by)] >= RANKS["editor"]
        command = CreateDocument(title="A", team_id=self.service.teams[number])
        self._add(self.ask(by, command, may=may), ("team", number))

    @act()
    def duplicate(self, which: int, who: int) -> None:
        number, id = self.document(which)
        by = self.one_with("viewer", number, who)
        answer = self.ask_of_document(by, number, "viewer", DuplicateDocument(id=id))
        if answer:
            self.model.use(by, number)
            self._add(answer, ("user", by))

    def _add(self, answer: Any, owner: Owner) -> None:
        if answer:
            self.service.documents.append(answer.id)
            self.model.documents.append(DocumentModel(owner))

    @act(4)
    def read(self, which: int, who: int) -> None:
        unused = {n: self.model.with_unused_share(n) for n in range(len(self.model.documents))}
        number, id = self.document(which, [n for n, people in unused.items() if people])
        by = self.someone(who, unused[number] or [p for p in self.model.active if self.model.role(p, number)])
        if self.ask_of_document(by, number, "viewer", BindShare(id=id)):
            self.model.use(by, number)

    @act()
    def edit(self, which: int, who: int) -> None:
        self._use("editor", which, who, lambda id: ChangeDocument(id=id, content=f"{self.steps}"))

    @act()
    def trash(self, which: int, who: int) -> None:
        number = self._use("owner", which, who, lambda id: TrashDocument(id=id))
        if number is not None and self.model.documents[number].trashed is None:
            self.model.documents[number].trashed, self.model.documents[number].offer = self.model.day, None

    @act(2)
    def restore(self, which: int, who: int) -> None:
        trashed = [n for n, each in enumerate(self.model.documents) if each.trashed is not None]
        number = self._use("owner", which, who, lambda id: RestoreFromTrash(id=id), trashed)
        if number is not None:
            self.model.documents[number].trashed = None

    @act()
    def make_folder(self, which: int, who: int, how: int) -> None:
        if how % 2:
            by = self.someone(who, [])
            owner: Owner = ("user", by)
            made = self.ask(by, CreateFolder(name="A"), may=True)
        else:
            number, team = self.team(which)
            by, owner = self.member_with("editor", number, who), ("team", number)
            may = RANKS[team.role_on_documents(by)] >= RANKS["editor"]
            made = self.ask(by, CreateFolder(name="A", team_id=self.service.teams[number]), may=may)
        if made:
            self.service.folders.append((made.id, owner))

    @act()
    def file(self, which: int, who: int, whom: int) -> None:
        number, id = self.document(which)
        document, by = self.model.documents[number], self.one_with("editor", number, who)
        kind, owner = document.owner
        role = self.model.role(by, number)
        if kind == "team" and role is not None:
            role = self.model.teams[owner].role_on_documents(by)
        may = RANKS[role] >= RANKS["editor" if kind == "team" else "owner"]
        folders = [folder for folder, of in self.service.folders if of == document.owner]
        folder = None if not folders else pick(whom, folders)
        if self.ask(by, FileDocument(id=id, folder_id=folder), may=may):
            self.model.use(by, number)
            document.folder = folder

    @act(2)
    def offer(self, which: int, who: int, whom: int) -> None:
        number, id = self.document(which)
        by, to = self.one_with("owner", number, who), self.model.addresses[self.anyone(whom)]
        command = OfferDocument(id=id, email=self.service.emails[to])
        if self.ask_of_document(by, number, "owner", command):
            self._offer(number, by, ("user", to))

    @act(2)
    def offer_to_team(self, which: int, who: int, whom: int) -> None:
        number, id = self.document(which)
        by = self.one_with("owner", number, who)
        own = [n for n, each in enumerate(self.model.teams) if RANKS[each.role_on_documents(by)] >= RANKS["editor"]]
        team, _ = self.team(whom, own)
        command = OfferDocumentToTeam(id=id, team_id=self.service.teams[team])
        if self.ask(by, command, may=self.model.role(by, number) == "owner" and team in own):
            self._offer(number, by, ("team", team))

    def _offer(self, number: int, by: int, to: Owner) -> None:
        document = self.model.documents[number]
        if (document.offer, document.offered_by) != (to, by) or self.model.day >= document.offered_until:
            document.offer, document.offered_by = to, by
            document.offered_until = self.model.day + OFFER_DAYS

    @act()
    def withdraw_offer(self, which: int, who: int) -> None:
        number, id = self.document(which, self._offered())
        by = self.one_with("owner", number, who)
        if self.ask_of_document(by, number, "owner", WithdrawDocumentOffer(id=id)):
            self.model.documents[number].offer = None

    @act(5)
    def answer_offer(self, which: int, who: int, how: int) -> None:
        number, id = self.document(which, self._offered())
        by = self.someone(who, [each for each in self.model.active if self.model.is_offered(each, number)])
        command, may = AcceptDocument(id=id) if how % 3 else DeclineDocument(id=id), self.model.is_offered(by, number)
        if self.ask(by, command, may=may):
            if how % 3:
                self.model.transfer(number, by)
            self.model.documents[number].offer = None

    def _offered(self) -> list[int]:
        return [number for number, each in enumerate(self.model.documents) if each.offer is not None]

    @act()
    def publish(self, which: int, who: int, how: int) -> None:
        number, id = self.document(which)
        by = self.one_with("owner", number, who)
        command = PublishDocument(id=id) if how % 3 else WithdrawDocument(id=id)
        if self.ask_of_document(by, number, "owner", command):
            self.model.documents[number].public = how % 3 > 0

    def _use(self, needs: str, which: int, who: int, command: Any, likely: list[int] | None = None) -> int | None:
        """Do something that may be the first use of a share; return the document's number if it was done."""
        number, id = self.document(which, likely)
        by = self.one_with(needs, number, who)
        if self.ask_of_document(by, number, needs, command(id)) is None:
            return None
        self.model.use(by, number)
        return number
