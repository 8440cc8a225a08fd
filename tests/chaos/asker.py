"""Askers: clients who let models write for their documents, and watch the texts come."""

import asyncio
import random
import threading
from collections.abc import Sequence

import msgspec

from tests.chaos.client import Client, Done, Operation, User
from tests.chaos.watcher import watch

MODELS = ("gpt-5-mini", "gpt-5-nano", "gpt-4.1-mini")
"""Models of both APIs."""
TARGETS = ("append", "append", "replace", "draft")
MAX_OUTPUT_TOKENS = 500
CANCEL_SECONDS = (0.0, 2.5)
MAX_PAUSE_SECONDS = 0.5


class Asker:
    """One client, who asks for one text after the other."""

    def __init__(self, client: Client, users: Sequence[User], seed: str) -> None:
        self._client = client
        self._users = users
        self._random = random.Random(seed)
        self._until = float("inf")

    async def work(self, over: threading.Event) -> None:
        """Ask again and again until it is over; then watch the last text to its end."""
        while not over.is_set():
            title = f"Asked {self._random.random()}"
            user = self._random.choice(self._users)
            body = {"title": title, "content": "Otters sleep in the reeds."}
            made = await self._client.insist(Operation("create", user, "POST", "/v1/documents", body), self._until)
            for _ in range(self._random.randint(1, 3)):
                if made is not None and not over.is_set():
                    await self._generate(made)
            await asyncio.sleep(self._random.uniform(0, MAX_PAUSE_SECONDS))

    def end_by(self, moment: float) -> None:
        """What is not done by then is given up."""
        self._until = moment

    async def _generate(self, document: Done) -> None:
        """Ask for a text, watch it, cancel some and ask again for some of these, and decide on a draft."""
        user = document.operation.user
        wish = {
            "prompt": f"Write about {self._random.random()}.",
            "place": {"target": self._random.choice(TARGETS)},
            "model": self._random.choice(MODELS),
            "max_output_tokens": MAX_OUTPUT_TOKENS,
        }
        path = await self._accepted("generate", user, f"/v1/documents/{document.id}/generate", wish)
        while path is not None:
            end = await self._watched(user, path)
            if end.get("result") == "draft":
                decision = self._random.choice(["accept", "discard"])
                await self._settle(decision, user, f"{path}/{decision}", {} if decision == "accept" else None)
            if end.get("status") not in ("cancelled", "failed", "dead") or self._random.random() < 0.5:
                return
            path = await self._accepted("retry", user, f"{path}/retry")

    async def _watched(self, user: User, path: str) -> dict[str, str]:
        """Watch a generation to its end, and cancel it sometimes. Returns what the end says."""
        watching = asyncio.create_task(watch(self._client, user, path, lambda: self._until))
        if self._random.random() < 0.25:
            await asyncio.sleep(self._random.uniform(*CANCEL_SECONDS))
            await self._settle("cancel", user, f"{path}/cancel")
        return await watching

    async def _accepted(self, kind: str, user: User, path: str, body: dict[str, object] | None = None) -> str | None:
        """Ask for a text, and return the path of the generation; None: it was refused."""
        status, answer = await self._settle(kind, user, path, body)
        return f"/v1/generations/{msgspec.json.decode(answer)['id']}" if status == 202 else None

    async def _settle(
        self, kind: str, user: User, path: str, body: dict[str, object] | None = None
    ) -> tuple[int, bytes]:
        operation = Operation(kind, user, "POST", path, body)
        answered, answer = await self._client.settle(operation, self._until)
        return 0 if answered is None else answered.status, answer
