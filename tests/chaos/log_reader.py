"""A reader of the signed log: asks for its checkpoint again and again, and writes down each new one that it gets."""

import asyncio
import random
import threading
from collections.abc import Sequence
from contextlib import closing, suppress

from tests.chaos.client import DEADLINE_SECONDS
from tests.chaos.ledger import LedgerFile, Published
from tests.support.wire import NoReply, Wires

PAUSE_SECONDS = 0.3


async def read_checkpoints(urls: Sequence[str], ledger: LedgerFile, seed: str, over: threading.Event) -> None:
    """Read from any of the APIs until it is over. At first there may be no checkpoint."""
    chance, last = random.Random(seed), ""
    with closing(Wires()) as wires:
        while not over.is_set():
            with suppress(NoReply, TimeoutError):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    reply = await wires.request("GET", chance.choice(urls), "/v1/log/checkpoint", {})
                note = reply.body.decode()
                if reply.status == 200 and note != last:
                    ledger.write(Published(note=note))
                    last = note
            await asyncio.sleep(PAUSE_SECONDS)
