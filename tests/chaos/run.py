"""One run from the first request to the verdict: a house, clients, a saboteur, and what can be said afterwards."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from adapters.http.api.tokens import Tokens
from adapters.links import DerivedLinkTokens
from application.billing.subscription import ChangePlan
from application.bus import Bus
from application.ports import Actor, CommandContext, Passwords, RecordedEvent
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.kafka.reconcile.differences import Report
from tests.chaos.client import User
from tests.chaos.evidence import SETUP, Evidence, collect, record
from tests.chaos.house import House
from tests.chaos.invariants import Finding, judge
from tests.chaos.ledger import LedgerFile, read
from tests.chaos.load import load
from tests.chaos.saboteur import Saboteur
from tests.chaos.work import read_work
from tests.support.accounts import NewAccount, open_account, plain_session
from tests.support.http import PASSWORD, SIGNING_KEYS, SwiftPasswords
from tests.support.stores import SIGNING_KEY, Opened, open_store

USERS = 8
NEWCOMERS = 200
LIFETIME = 30 * 24 * 3600
AUDIENCE = "palimpsest"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float
    kills: Counter[str]
    evidence: Evidence
    findings: list[Finding]
    stream: Report | None = None

    @property
    def violations(self) -> list[str]:
        """What did not hold, with the number of its invariant, and the first difference of the published stream."""
        violated = [f"{each.invariant}: {words}" for each in self.findings for words in each.violations]
        return violated + ([f"stream: {self.stream.difference}"] if self.stream and not self.stream.ok else [])


class Clients:
    """All clients, and a consumer of the feed: at work in a thread of their own until told to end."""

    def __init__(self, house: House, seed: str) -> None:
        self._house = house
        self._seed = seed
        self._over, self._settled, self._ready = threading.Event(), threading.Event(), threading.Event()
        self._work: Future[None] | None = None
        self.fed: list[RecordedEvent] = []

    def start(self) -> None:
        """Begin, and return once requests go out."""
        self._work = ThreadPoolExecutor(1).submit(lambda: asyncio.run(self._run()))
        while not self._ready.wait(0.1):
            if self._work.done():
                self._work.result()

    def end(self) -> None:
        """Begin nothing more, and return once every operation and every job has come to an end or has had its time."""
        assert self._work is not None
        self._over.set()
        self._work.result()

    async def _run(self) -> None:
        load_use_cases()
        async with open_store(self._house.database_url) as opened:
            users = [await customer(opened, f"{self._seed} {n}") for n in range(USERS)]
            newcomers = [await newcomer(opened, f"{self._seed} newcomer {n}") for n in range(NEWCOMERS)]
            feed = opened.feed()
            await feed.start()
            consumer = asyncio.create_task(record(feed, self.fed, self._settled))
            self._ready.set()
            with LedgerFile(self._house.ledger) as ledger:
                await load(self._house.urls, ledger, users, newcomers, self._house.mails, self._seed, self._over)
            await asyncio.to_thread(self._house.wait_for_workers)
            self._settled.set()
            await consumer
            await feed.stop()


def run(house: House, seed: int, seconds: float, *, kill: bool = True) -> Outcome:
    """Put all processes under load for so many seconds and, if `kill`, kill them; then judge the results.

    Raises:
        TimeoutError: something did not recover.
    """
    saboteur, clients = Saboteur(house, f"{seed} saboteur"), Clients(house, str(seed))
    clients.start()
    try:
        if kill:
            saboteur.work(seconds)
        else:
            threading.Event().wait(seconds)
        house.heal()
    finally:
        clients.end()
    house.wait_for_projectors()
    house.wait_for_sealers()
    stream = house.brokers.compare(house.database_url) if house.brokers else None
    house.stop_roles()
    ledger = read(house.ledger)
    kills = saboteur.kills_that_repeat_mails
    work = read_work(house.admin_url, house.mails.mails(), kills, house.calls, saboteur.struck)
    evidence = asyncio.run(collect(house.database_url, house.admin_url, ledger, clients.fed, work))
    return Outcome(seed, seconds, saboteur.kills, evidence, judge(evidence), stream)


async def customer(opened: Opened, name: str, passwords: Passwords | None = None) -> User:
    """Somebody on a paid plan, which the API does not sell. Only with passwords as the service has them they log in."""
    user = await newcomer(opened, name, passwords)
    assert user.id is not None
    bus = Bus(opened.store, {"clock": utc_now}, opened.blind)
    await bus.send(ChangePlan(plan="pro"), CommandContext(Actor(user.id), SETUP))
    return user


async def newcomer(opened: Opened, name: str, passwords: Passwords | None = None) -> User:
    """Somebody on the free plan, with a verified address."""
    links = DerivedLinkTokens([SIGNING_KEY])  # as workers have them: they may send the mail
    bus = Bus(opened.store, {"clock": utc_now, "new_id": uuid7, "links": links}, opened.blind)
    hashed = await (passwords or SwiftPasswords()).hash(PASSWORD)
    account = NewAccount(uuid7(), email_of(name), "Customer", hashed)
    context = CommandContext(None, SETUP)
    await open_account(lambda command: bus.send(command, context), opened.store, links, account)
    return User(account.id, token_of(account.id, await plain_session(opened.database, account.id)))


def email_of(name: str) -> str:
    """The address of a customer."""
    return f"{uuid5(SETUP, name)}@example.org"


def token_of(user_id: UUID, session_id: UUID) -> str:
    """A token that is good for as long as a run may take."""
    tokens = Tokens(SIGNING_KEYS, issuer=AUDIENCE, audience=AUDIENCE, lifetime=LIFETIME, clock=utc_now, new_id=uuid7)
    return tokens.issue(user_id, session_id)
