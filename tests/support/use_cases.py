"""A bus on a store in memory, with fakes of all ports."""

from datetime import datetime
from itertools import count
from typing import TypeVar
from uuid import UUID

from application.bus import Bus
from application.commands import Command, CommandResult
from application.identity.user import LogIn, Register, VerifyEmail
from application.ports import Actor, CommandContext, Precondition
from application.revocation import Settlement
from infra.sealing.blind_index import BlindIndex
from infra.store.codec import layout_of
from tests.support.given import NOW
from tests.support.memory_holdings import MemoryHoldings
from tests.support.memory_store import MemoryEventStore

R = TypeVar("R")
PASSWORD = "umber cartwheel tenfold mist"


class PlainPasswords:
    """Implements `application.ports.Passwords` without work. `checked` lists the hashes it compared with."""

    def __init__(self) -> None:
        self.checked: list[str | None] = []

    async def hash(self, password: str) -> str:
        return password[::-1]

    async def verify(self, password: str, hashed: str | None) -> bool:
        self.checked.append(hashed)
        return hashed == password[::-1]

    async def weakness(self, password: str, *known: str) -> str | None:
        if password in known:
            return "The password is your name or address; think of another."
        return None if len(password) >= 15 else "The password is too short."


class CommandRunner:
    """Sends commands to a bus of its own. Tests set `now`."""

    def __init__(self, settlement: Settlement | None = None) -> None:
        self.store = MemoryEventStore()
        self.holdings = MemoryHoldings(self.store)
        self.passwords = PlainPasswords()
        self.now = NOW
        ids = count(0x1000)
        blind = BlindIndex(bytes(32))
        ports = {
            "clock": self.clock,
            "new_id": lambda: UUID(int=next(ids)),
            "addresses": blind,
            "holdings": self.holdings,
            "passwords": self.passwords,
        }
        self.bus = Bus(self.store, ports, blind, settlement=settlement)

    def clock(self) -> datetime:
        return self.now

    async def send(
        self, command: Command[R], by: Actor | None = None, key: str | None = None, *, match: str | None = None
    ) -> CommandResult[R]:
        """Send the command; return its result. `match`: only if this is the current entity tag."""
        precondition = None if match is None else Precondition(frozenset({match}))
        context = CommandContext(by, UUID(int=0), idempotency_key=key, precondition=precondition)
        return await self.bus.send(command, context)

    async def ask(self, command: Command[R], by: Actor | None = None, *, match: str | None = None) -> R:
        """Send the command; return its answer."""
        return (await self.send(command, by, match=match)).answer

    async def actor(self, email: str) -> Actor:
        """Register a user, verify their address and log them in."""
        user = await self.ask(Register(email=email, name="Somebody", password=PASSWORD))
        await self.ask(VerifyEmail(user_id=user.id))
        who = await self.ask(LogIn(email=email, password=PASSWORD))
        return Actor(who.user_id, who.address_id)

    def happened(self) -> list[str]:
        """Return the topics of all events, in order."""
        return [layout_of(type(event)).topic for event in self.store.log]
