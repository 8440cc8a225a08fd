"""A bus on a store in memory, with fakes of all ports."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import TypeVar
from uuid import UUID

import msgspec

from adapters.devices import device_name
from adapters.refresh_tokens import DerivedRefreshTokens
from application.bus import Bus
from application.commands import Command, CommandResult
from application.identity.sessions import LogIn
from application.known_roots import KnownRoots
from application.policies.end_sessions import end_sessions
from application.policies.follow_plans import follow_plans
from application.policies.forget_mails import forget_mails
from application.policies.resume_erasures import resume_erasures
from application.policies.send_account_mails import send_account_mails
from application.policies.send_document_offers import send_document_offers
from application.policies.send_domain_mails import send_domain_mails
from application.policies.send_invitations import send_invitations
from application.policies.show_join_requests import show_join_requests
from application.policies.start_generations import start_generations
from application.policies.tell_of_access_requests import tell_of_access_requests
from application.policies.tell_of_answers import tell_of_answers
from application.policies.tell_of_budgets import tell_of_budgets
from application.policies.tell_of_failures import tell_of_failures
from application.policies.tell_of_holds import tell_of_holds
from application.policies.tell_of_join_requests import tell_of_join_requests
from application.policies.tell_of_lost_domains import tell_of_lost_domains
from application.policy import POLICIES, Policy, Reaction, react_to
from application.ports import Actor, CommandContext, Mail, MailRefused, Precondition
from application.revocation import Settlement
from domain.kernel import Root
from infra.sealing.blind_index import BlindIndex
from infra.store.codec import layout_of
from tests.support.accounts import NewAccount, open_account
from tests.support.generations import (
    MemoryPartialTexts,
    PlainKeyTrial,
    PlainModels,
    PlainModeration,
    PlainTokens,
    ScriptedProvider,
)
from tests.support.given import NOW
from tests.support.limits import domain_mail_limits, link_guesses, sign_in_attempts
from tests.support.links import PlainLinks
from tests.support.memory_holdings import MemoryHoldings
from tests.support.memory_jobs import MemoryJobs
from tests.support.memory_recent_documents import MemoryRecentDocuments
from tests.support.memory_records import MemoryRecords
from tests.support.memory_security_log import MemorySecurityLog
from tests.support.memory_sessions import MemorySessions, MemorySettlement
from tests.support.memory_store import MemoryEventStore

R = TypeVar("R")
PLAYED = [
    policy.__name__
    for policy in (
        send_account_mails,
        end_sessions,
        follow_plans,
        forget_mails,
        resume_erasures,
        send_invitations,
        send_document_offers,
        send_domain_mails,
        show_join_requests,
        start_generations,
        tell_of_access_requests,
        tell_of_answers,
        tell_of_budgets,
        tell_of_failures,
        tell_of_holds,
        tell_of_join_requests,
        tell_of_lost_domains,
    )
]
"""The policies that the worker plays."""
PASSWORD = "umber cartwheel tenfold mist"


class PlainPasswords:
    """Implements `application.ports.Passwords` without work. `checked` lists the hashes it compared with."""

    def __init__(self) -> None:
        self.checked: list[str | None] = []

    async def hash(self, password: str) -> str:
        return password[::-1]

    async def verify(self, password: str, hashed: str | None) -> bool:
        self.checked.append(hashed)
        return hashed in (password[::-1], f"old {password[::-1]}")

    def is_outdated(self, hashed: str) -> bool:
        return hashed.startswith("old ")

    async def weakness(self, password: str, *known: str) -> str | None:
        if password in known:
            return "The password is your name or address; think of another."
        return None if len(password) >= 15 else "The password is too short."


class MailBox:
    """Implements `application.ports.Mailer`: keeps the mails, unless it refuses them with a reply `code`."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.forgotten: list[UUID] = []
        self.code: int | None = None

    async def send(self, mail: Mail) -> None:
        if self.code is not None:
            raise MailRefused(self.code)
        self.mails.append(mail)

    async def forget(self, subject_id: UUID) -> None:
        self.forgotten.append(subject_id)


class CommandRunner:
    """Sends commands to a bus of its own, and plays the worker. Tests set `now`."""

    def __init__(self, settlement: Settlement | None = None) -> None:
        self.store = MemoryEventStore()
        self.holdings = MemoryHoldings(self.store)
        self.passwords = PlainPasswords()
        self.jobs, self.links, self.mail_box = MemoryJobs(), PlainLinks(), MailBox()
        self.now = NOW
        self.records = MemoryRecords()
        self.sessions, self.refresh_tokens = MemorySessions(self.clock, self.jobs), DerivedRefreshTokens([bytes(32)])
        self.security_log = MemorySecurityLog(self.clock)
        self.recent = MemoryRecentDocuments()
        self.key_trial = PlainKeyTrial()
        self._seen = 0
        self._states: dict[tuple[str, UUID], msgspec.Struct | None] = {}
        ids = count(0x1000)
        self.blind = BlindIndex(bytes(32))
        self.ports = {
            "clock": self.clock,
            "new_id": lambda: UUID(int=next(ids)),
            "addresses": self.blind,
            "slugs": self.blind,
            "holdings": self.holdings,
            "passwords": self.passwords,
            "links": self.links,
            "queue": self.jobs,
            "attempts": sign_in_attempts(),
            "domain_mails": domain_mail_limits(),
            "guesses": link_guesses(),
            "sessions": self.sessions,
            "refresh_tokens": self.refresh_tokens,
            "security_log": self.security_log,
            "recent": self.recent,
            "device_names": device_name,
            "records": self.records,
            "models": PlainModels(),
            "tokens": PlainTokens(),
            "digests": self.blind,
            "try_key": self.key_trial,
        }
        self.provider, self.partial_texts = ScriptedProvider(), MemoryPartialTexts()
        self.moderation = PlainModeration()
        self.bus = Bus(self.store, self.ports, self.blind, settlement=settlement or MemorySettlement(self.sessions))

    call = CommandContext(None, UUID(int=0))

    def clock(self) -> datetime:
        return self.now

    async def send(
        self,
        command: Command[R],
        by: Actor | None = None,
        key: str | None = None,
        *,
        match: str | None = None,
        session_id: UUID | None = None,
        known: KnownRoots | None = None,
    ) -> CommandResult[R]:
        """Send the command; return its result. `match`: only if this is the current entity tag."""
        precondition = None if match is None else Precondition(frozenset({match}))
        context = replace(self.call, actor=by, idempotency_key=key, precondition=precondition, session_id=session_id)
        return await self.bus.send(command, context, known)

    async def ask(
        self, command: Command[R], by: Actor | None = None, *, match: str | None = None, session_id: UUID | None = None
    ) -> R:
        """Send the command; return its answer."""
        return (await self.send(command, by, match=match, session_id=session_id)).answer

    async def work(self) -> list[Mail]:
        """Let the policy see the new events, and perform all jobs; return the mails that were sent."""
        before = len(self.mail_box.mails)
        while await self._react() or self.jobs.waiting:
            await self.jobs.perform_all(self.performer_ports)
        return self.mail_box.mails[before:]

    def see_again(self) -> None:
        """Let the policy see all events again, as after a lost checkpoint."""
        self._seen = 0

    @property
    def performer_ports(self) -> dict[str, object]:
        """The ports of performers."""
        own = {"events": self.store, "mailer": self.mail_box, "send": self._send_as_system}
        own["kept_mails"] = self.mail_box
        own |= {"send_as_user": self._send_as_user, "provider": self.provider, "partial_texts": self.partial_texts}
        own["moderation"] = self.moderation
        return {**self.ports, **own}

    async def actor(self, email: str) -> Actor:
        """Open an account, verify its address and log the user in."""
        await self.account(email)
        who = await self.ask(LogIn(email=email, password=PASSWORD))
        return Actor(who.user_id, self.blind.address_id(email))

    async def account(self, email: str) -> UUID:
        """Open an account and verify its address; return its id."""
        user_id = UUID(int=0xACC0 + len(self.store.log))
        account = NewAccount(user_id, email, "Somebody", await self.passwords.hash(PASSWORD))
        await open_account(self.ask, self.store, self.links, account)
        return user_id

    def happened(self) -> list[str]:
        """Return the topics of all events, in order."""
        return [layout_of(type(event)).topic for event in self.store.log]

    async def _send_as_system(self, command: Command[R], key: str) -> R:
        return (await self.send(command, key=key)).answer

    async def _send_as_user(self, command: Command[R], key: str, user_id: UUID, known: KnownRoots | None = None) -> R:
        return (await self.send(command, Actor(user_id), key, known=known)).answer

    async def _react(self) -> bool:
        """Let the policies see the events since the last time; return whether they have caused anything."""
        events, self._seen = self.store.log[self._seen :], len(self.store.log)
        caused = [
            reaction
            for policy in map(POLICIES.__getitem__, PLAYED)
            for event in events
            if type(event) in policy.events
            for reaction in self._step(policy, event)
        ]
        for reaction in caused:
            if isinstance(reaction, Command):
                await self.send(reaction)
            else:
                self.jobs.waiting.append((reaction, reaction.not_before))
        return bool(caused)

    def _step(self, policy: Policy, event: Root.Event) -> Iterable[Reaction]:
        """Let a policy react, and keep its state."""
        place = (policy.name, policy.key(event))
        step = react_to(policy, event, self._states.get(place))
        self._states[place] = step.state
        return step.reactions
