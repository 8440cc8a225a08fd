"""The load: clients that write, race, repeat and read, each choosing by its own seed what to do next."""

import asyncio
import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import monotonic

from tests.chaos.applicant import Applicant, Mailboxes
from tests.chaos.asker import Asker
from tests.chaos.client import Client, Done, Operation, User
from tests.chaos.ledger import LedgerFile
from tests.chaos.log_reader import read_checkpoints
from tests.support.smtp import Ledger as MailLedger

WRITERS = 20
NEWCOMERS = 2
APPLICANTS = 8
ASKERS = 6
SETTLING_SECONDS = 60.0
"""After everything runs again, no operation may take longer to come to an end."""
AT_ONCE = 8
WORDS = ["otter", "heron", "reed", "silt", "eddy", "ford", "naïve", "雨", "“quoted”", "tab\tstop", "line\nbreak"]


@dataclass
class Shelf:
    """What the clients know of together: each other's documents are there to be fought for."""

    users: Sequence[User]
    newcomers: list[User]
    """Users on the free plan who have no documents yet."""
    documents: deque[Done] = field(default_factory=lambda: deque(maxlen=400))
    done: deque[Done] = field(default_factory=lambda: deque(maxlen=400))
    newest: int = 0

    def keep(self, done: Done) -> None:
        """Remember what was acknowledged."""
        self.done.append(done)
        self.newest = max(self.newest, done.position)
        if "content" in done.thing:
            self.documents.append(done)


class Writer:
    """One client."""

    def __init__(self, client: Client, shelf: Shelf, seed: str) -> None:
        self._client = client
        self._shelf = shelf
        self._random = random.Random(seed)
        self._until = float("inf")

    async def work(self, over: threading.Event) -> None:
        """Do one thing after the other until it is over; then bring the last one to an end."""
        deeds: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._create, 6),
            (self._change, 8),
            (self._trash_and_restore, 2),
            (self._restore_version, 2),
            (self._race, 3),
            (self._ask_twice_at_once, 3),
            (self._repeat, 3),
            (self._repeat_otherwise, 1),
            (self._rename, 2),
            (self._found, 2),
            (self._look_around, 8),
        ]
        works, weights = zip(*deeds, strict=True)
        while not over.is_set():
            await self._random.choices(works, weights)[0]()

    async def welcome(self, over: threading.Event) -> None:
        """Let a new user write more at once than the plan allows; again and again."""
        while not over.is_set():
            await self._newcomer()
            await asyncio.sleep(self._random.uniform(0, 1))

    def end_by(self, moment: float) -> None:
        """What is not done by then is given up."""
        self._until = moment

    async def _do(self, *operations: Operation) -> list[Done | None]:
        outcomes = await asyncio.gather(*(self._client.insist(operation, self._until) for operation in operations))
        for done in outcomes:
            if done is not None:
                self._shelf.keep(done)
        return outcomes

    async def _create(self) -> None:
        [done] = await self._do(self._creation(self._random.choice(self._shelf.users)))
        if done is not None:
            await self._see(done)

    def _creation(self, user: User) -> Operation:
        body = {"title": self._text(3).replace("\t", " ").replace("\n", " "), "content": self._text(30)}
        return Operation("create", user, "POST", "/v1/documents", body)

    async def _change(self) -> None:
        document = await self._some_document()
        expected = document.version if self._random.random() < 0.5 else None
        [done] = await self._do(self._changed(document, expected))
        if done is not None:
            await self._see(done)

    def _changed(self, document: Done, expected: int | None) -> Operation:
        kept = document.thing["title"] if self._random.random() < 0.5 else f"{self._random.random()}"
        body = {"title": kept, "content": f"{self._random.random()} {self._text(30)}", "status": "published"}
        return self._on(document, "change", "PUT", "", body, expected)

    def _on(
        self,
        document: Done,
        kind: str,
        method: str,
        path: str,
        body: dict[str, object] | None = None,
        expected: int | None = None,
    ) -> Operation:
        path = f"/v1/documents/{document.id}{path}"
        return Operation(kind, document.operation.user, method, path, body, document.id, expected)

    async def _trash_and_restore(self) -> None:
        document = await self._some_document()
        for operation in (self._on(document, "trash", "DELETE", ""), self._on(document, "untrash", "POST", "/restore")):
            [done] = await self._do(operation)
            if done is not None:
                await self._see(done)

    async def _restore_version(self) -> None:
        document = await self._some_document()
        version = self._random.randint(1, document.version)
        await self._do(self._on(document, "restore version", "POST", f"/versions/{version}/restore"))

    async def _race(self) -> None:
        """Several change what they have all read at the same version."""
        document = await self._some_document()
        await self._do(*(self._changed(document, document.version) for _ in range(3)))

    async def _ask_twice_at_once(self) -> None:
        """The same request with the same key, sent twice before there is an answer."""
        operation = self._creation(self._random.choice(self._shelf.users))
        await self._do(operation, operation)

    async def _repeat(self) -> None:
        """Ask again for what was done and answered before."""
        if self._shelf.done:
            await self._client.ask(self._random.choice(self._shelf.done).operation)

    async def _repeat_otherwise(self) -> None:
        """A used key with another request."""
        operation = (await self._some_document()).operation
        if operation.body is not None:
            await self._client.ask(replace(operation, body={**operation.body, "title": "Another wish"}))

    async def _rename(self) -> None:
        user = self._random.choice(self._shelf.users)
        body = {"name": f"Somebody {self._random.random()}"}
        [done] = await self._do(Operation("rename", user, "PUT", "/v1/users/me", body, user.id))
        if done is not None:
            await self._client.see(user, "user", "/v1/users/me", done.id, done.position)

    async def _found(self) -> None:
        """Two want the same name for their teams."""
        body = {"name": self._text(2).replace("\t", " ").replace("\n", " "), "slug": f"team-{self._number()}"}
        users = self._random.sample(self._shelf.users, 2)
        await self._do(*(Operation("found", user, "POST", "/v1/teams", body) for user in users))

    async def _look_around(self) -> None:
        """Read what others wrote, at least as new as any answer that a client has got."""
        await self._see(await self._some_document(), self._shelf.newest)

    async def _newcomer(self) -> None:
        if self._shelf.newcomers:
            user = self._shelf.newcomers.pop()
            await self._do(*(self._creation(user) for _ in range(AT_ONCE)))

    async def _see(self, document: Done, token: int | None = None) -> None:
        user, path = document.operation.user, "/v1/documents"
        at_least = document.position if token is None else token
        if self._random.random() < 0.2 and token is None and document.operation.kind == "create":
            await self._client.see(user, "list", path, document.id, at_least)
        else:
            await self._client.see(user, "document", f"{path}/{document.id}", document.id, at_least)

    async def _some_document(self) -> Done:
        """Rather one that many know of than one of one's own."""
        while not self._shelf.documents:
            await self._create()
        return self._random.choice(self._shelf.documents)

    def _text(self, most: int) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(1, most)))

    def _number(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


async def load(
    urls: Sequence[str],
    ledger: LedgerFile,
    users: Sequence[User],
    newcomers: Sequence[User],
    mails: MailLedger,
    seed: str,
    over: threading.Event,
) -> None:
    """Work until it is over, and then until every operation is settled, for a bounded time."""
    shelf, mailboxes = Shelf(users, list(newcomers)), Mailboxes(mails)
    with ExitStack() as stack:

        def client(name: str) -> Client:
            opened = Client(urls, ledger, f"{seed} client of {name}")
            stack.callback(opened.close)
            return opened

        def named(kind: str, count: int) -> list[str]:
            return [f"{seed} {kind} {n}" for n in range(count)]

        writers = [Writer(client(name), shelf, name) for name in named("writer", WRITERS + NEWCOMERS)]
        applicants = [Applicant(client(name), mailboxes, name) for name in named("applicant", APPLICANTS)]
        askers = [Asker(client(name), users, name) for name in named("asker", ASKERS)]
        tasks = [asyncio.create_task(writer.work(over)) for writer in writers[:WRITERS]]
        tasks += [asyncio.create_task(applicant.work(over)) for applicant in applicants]
        tasks += [asyncio.create_task(asker.work(over)) for asker in askers]
        tasks += [asyncio.create_task(writer.welcome(over)) for writer in writers[WRITERS:]]
        tasks.append(asyncio.create_task(read_checkpoints(urls, ledger, f"{seed} reader of the log", over)))
        await asyncio.to_thread(over.wait)
        end = monotonic() + SETTLING_SECONDS
        actors: list[Writer | Applicant | Asker] = [*writers, *applicants, *askers]
        for actor in actors:
            actor.end_by(end)
        await asyncio.gather(*tasks)
