"""A story of a few clients: enough of what they do for every fault in the service to show."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from uuid import UUID

import redis

from projections.content.document import DocumentDetails
from tests.chaos.client import Client, Operation, User
from tests.chaos.evidence import SETUP
from tests.chaos.house import wait_until
from tests.chaos.invariants import FREE_DOCUMENTS
from tests.chaos.ledger import LedgerFile
from tests.support.api import Api
from tests.support.http import PASSWORD
from tests.support.servers import redis_admin


class Story:
    """`patience`: seconds after which the clients give up. The newcomer is on the free plan."""

    def __init__(self, api: Api, customer: User, newcomer: User, redis_url: str, patience: float) -> None:
        self._url = api.url
        self._perform_jobs = partial(api.perform_jobs, SETUP)
        self._customer = customer
        self._newcomer = newcomer
        self._redis_url = redis_url
        self._until = monotonic() + patience

    async def tell(self, ledger: Path) -> None:
        """Let it happen, and write it down."""
        with LedgerFile(ledger) as file:
            client = Client([self._url], file, "story")
            await self._repeat(client)
            await self._change(client)
            await self._join(client)
            client.close()

    async def _repeat(self, client: Client) -> None:
        """Two wishes; both again, and a third one with the key of the first."""
        first, second = (self._creation(self._customer, title) for title in "ab")
        await client.insist(first, self._until)
        await client.insist(second, self._until)
        for again in (first, second, replace(first, body={"title": "c"})):
            await client.ask(again)

    async def _change(self, client: Client) -> None:
        """Two changes of what was read before, which was of the same version; and what is read thereafter."""
        made = await client.insist(self._creation(self._customer, "d"), self._until)
        if made is None:
            return
        path = f"/v1/documents/{made.id}"
        self._wait_for_cache(made.position)
        await client.see(self._customer, "document", path, made.id, made.position)
        self._wait_for_entry(made.id)
        for text in ("one", "two"):
            body = {"title": "a", "content": text, "status": "draft"}
            change = Operation("change", self._customer, "PUT", path, body, made.id, 1)
            changed = await client.insist(change, self._until)
            if changed is not None:
                self._wait_for_cache(changed.position)
                await client.see(self._customer, "document", path, made.id, changed.position)

    async def _join(self, client: Client) -> None:
        """Two want the same address; a newcomer wants more documents than the plan allows."""
        body = {"email": "ada@example.org", "password": PASSWORD}
        rivals = [Operation("register", User(), "POST", "/v1/auth/register", {**body, "name": name}) for name in "AB"]
        for rival in rivals:
            await client.insist(rival, self._until)
        await asyncio.to_thread(self._perform_jobs)
        for n in range(FREE_DOCUMENTS + 1):
            await client.insist(self._creation(self._newcomer, f"{n}"), self._until)

    @staticmethod
    def _creation(user: User, title: str) -> Operation:
        return Operation("create", user, "POST", "/v1/documents", {"title": title})

    def _wait_for_cache(self, position: int) -> None:
        """Wait until what Redis keeps of documents is said to be right as of the position."""
        wait_until(lambda: int.from_bytes(self._kept("")[8:], "big") >= position, "the cache follows")

    def _wait_for_entry(self, document_id: UUID) -> None:
        wait_until(lambda: self._kept(f":{document_id}") != b"", "the cache is filled")

    def _kept(self, end: str) -> bytes:
        with redis.Redis.from_url(redis_admin(self._redis_url)) as client:
            found = client.get(f"palimpsest:document:{DocumentDetails.version}{end}")
        assert found is None or isinstance(found, bytes)
        return found or b""
