"""Applicants: clients who register, prove their address by the mail, log in, and forget their password."""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from urllib.parse import urlsplit

from tests.chaos.client import Client, Operation, User
from tests.support.http import PASSWORD
from tests.support.smtp import Ledger, ReceivedMail

NEW_PASSWORD = "another sentence to know"
LOOK_SECONDS = 0.05
MAX_PAUSE_SECONDS = 0.5


class Mailboxes:
    """What the mail server has accepted, by address."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._offset = 0
        self._mails: defaultdict[str, list[ReceivedMail]] = defaultdict(list)

    def mails(self, address: str) -> list[ReceivedMail]:
        """The mails to an address so far. `address`: in lower case."""
        mails, self._offset = self._ledger.read_from(self._offset)
        for mail in mails:
            self._mails[mail.recipient.lower()].append(mail)
        return self._mails[address]


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a mail. `purpose`: verify or reset."""

    purpose: str
    token: str

    @property
    def digest(self) -> str:
        """The digest of the token, as events have it."""
        return digest_of(self.token)


def link_of(mail: ReceivedMail) -> Link | None:
    """The link of a mail that has a token."""
    page = urlsplit(mail.link)
    token = page.fragment.removeprefix("token=")
    return Link(page.path.rpartition("/")[2], token) if page.fragment.startswith("token=") else None


def digest_of(token: str) -> str:
    """The digest of a token, as events have it."""
    return sha256(token.encode()).hexdigest()


class Applicant:
    """One client, who applies for one account after the other."""

    def __init__(self, client: Client, mailboxes: Mailboxes, seed: str) -> None:
        self._client = client
        self._mailboxes = mailboxes
        self._random = random.Random(seed)
        self._until = float("inf")

    async def work(self, over: threading.Event) -> None:
        """Apply again and again until it is over; then bring the last application to an end."""
        while not over.is_set():
            await self._apply()
            await asyncio.sleep(self._random.uniform(0, MAX_PAUSE_SECONDS))

    def end_by(self, moment: float) -> None:
        """What is not done by then is given up."""
        self._until = moment

    async def _apply(self) -> None:
        email = f"{self._random.getrandbits(64):016x}@example.org"
        await self._register(email)
        if self._random.random() < 0.2:
            return  # some people never read their mail
        link = await self._use_link(email, "verify", "reset")
        if link is None:
            return
        password = NEW_PASSWORD if link.purpose == "reset" else PASSWORD
        await self._client.log_in(email, password, self._until, is_right=True)
        if link.purpose == "verify" and self._random.random() < 0.6:
            await self._forget(email)
        if self._random.random() < 0.3:
            await self._settle(self._registration(email))

    async def _register(self, email: str) -> None:
        """Register alone, at the same time as somebody else with that address, or twice with one key."""
        registration = self._registration(email)
        also = self._random.choice([[], [], [self._registration(email.upper())], [registration]])
        await self._settle(registration, *also)

    async def _forget(self, email: str) -> None:
        """Ask for a new password: then it alone opens the account."""
        body = {"email": email}
        await self._settle(Operation("forget", User(), "POST", "/v1/auth/forgot-password", body, about=email))
        if await self._use_link(email, "reset"):
            await self._client.log_in(email, NEW_PASSWORD, self._until, is_right=True)
            await self._client.log_in(email, PASSWORD, self._until, is_right=False)

    async def _use_link(self, email: str, *purposes: str) -> Link | None:
        """Use the first link in the mail that is valid, sometimes twice at once; None: the time is over.

        A link that another one has replaced meanwhile is not valid.
        """
        used: set[Link] = set()
        while (link := await self._link(email, purposes, used)) is not None:
            used.add(link)
            times = self._random.choice([1, 1, 2])
            if any(await self._settle(*(self._use(link) for _ in range(times)))):
                return link
        return None

    async def _link(self, email: str, purposes: Collection[str], used: Collection[Link]) -> Link | None:
        while monotonic() < self._until:
            links = filter(None, map(link_of, self._mailboxes.mails(email)))
            found = next((each for each in links if each.purpose in purposes and each not in used), None)
            if found is not None:
                return found
            await asyncio.sleep(LOOK_SECONDS)
        return None

    @staticmethod
    def _registration(email: str) -> Operation:
        body = {"name": "Applicant", "email": email, "password": PASSWORD}
        return Operation("register", User(), "POST", "/v1/auth/register", body, about=email.lower())

    @staticmethod
    def _use(link: Link) -> Operation:
        """The use of a link, with a key of its own."""
        if link.purpose == "verify":
            body = {"token": link.token}
            return Operation("verify", User(), "POST", "/v1/auth/verify", body, about=link.digest)
        body = {"token": link.token, "password": NEW_PASSWORD}
        return Operation("reset", User(), "POST", "/v1/auth/reset-password", body, about=link.digest)

    async def _settle(self, *operations: Operation) -> list[bool]:
        """Bring operations to an end, and say which of them were done."""
        settled = await asyncio.gather(*(self._client.settle(operation, self._until) for operation in operations))
        return [answered is not None and answered.status < 300 for answered, _ in settled]
