"""A watcher of a generation: follows the text through all breaks of the connection, and writes down what it gets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any
from uuid import UUID

import httpx2
import msgspec
from uuid_utils.compat import uuid7

from tests.chaos.client import Client, User
from tests.chaos.ledger import Watched

WATCH_SECONDS = 5
"""After this time a stream ends, and the watcher comes again: so resuming is seen without kills, too."""
PAUSE_SECONDS = 0.2


async def watch(client: Client, user: User, path: str, until: Callable[[], float]) -> dict[str, Any]:
    """Follow a generation to its end, and return what that says; empty: the time was over before.

    `until`: when to give up, of the monotonic clock, as it is known at the time.
    """
    watcher, last_id = uuid7(), ""
    async with httpx2.AsyncClient(timeout=WATCH_SECONDS * 3) as http:
        while monotonic() < until():
            try:
                async for event in _events(http, client.any_url() + path, user, last_id):
                    client.ledger.write(_line(watcher, path, event))
                    last_id = event["id"]
                    if event["event"] == "end":
                        return dict(msgspec.json.decode(event["data"]))
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(PAUSE_SECONDS)
    return {}


async def _events(http: httpx2.AsyncClient, url: str, user: User, last_id: str) -> AsyncIterator[dict[str, str]]:
    """Yield the events of one connection, each with its fields (WHATWG HTML, 9.2.6)."""
    headers = {**user.headers, **({"Last-Event-ID": last_id} if last_id else {})}
    async with http.stream("GET", f"{url}/events", params={"wait": WATCH_SECONDS}, headers=headers) as answer:
        if answer.status_code != 200:
            return
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                yield fields
                fields = {}
            else:
                fields = {}


def _line(watcher: UUID, path: str, event: dict[str, str]) -> Watched:
    attempt, _, offset = event["id"].partition("-")
    data = msgspec.json.decode(event["data"])
    return Watched(
        watcher=watcher,
        generation_id=UUID(path.rpartition("/")[2]),
        event=event["event"],
        attempt=int(attempt),
        offset=int(offset),
        text=data.get("text", ""),
        status=data.get("status", ""),
    )
