"""Strangers who attack the service in every way that once delayed or stopped it, all at once.

A strike costs the service far more than it costs its attacker: that makes it an attack, not the number of strikes.
The rates are modest, because attackers, clients and the service share a machine, perhaps with two cores: a flood of
plain requests would only measure that machine. Connections, half bodies and streams are as many as the limits of a
process allow to these addresses and accounts, and more (`infra/settings/limits.md`).
"""

import asyncio
import gzip
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from infra.postgres.cache_lease import CHANNEL as INVALIDATED
from infra.projector.checkpoints import CHANNEL as PROJECTED
from infra.store.log_rows import APPENDED_CHANNEL
from tests.support.sse import STREAM
from tests.support.wire import Connection, NoReply, message

ADDRESS = "127.0.0.2"
"""Where attackers come from, while ordinary clients have 127.0.0.1: many limits are by address."""
FURTHER_ADDRESSES = [f"127.0.0.{n}" for n in range(3, 6)]
"""Where half bodies come from: they take all that these addresses may have, and leave room for bombs."""
CUT = "cut"
OPEN = "open at the end"
SENT = "sent"
JSON = {"Content-Type": "application/json"}
LARGE = 11_000_000
STREAM_SECONDS = (30, 90)
RICH = "4@8({[<369&#!1/|0$5+7%2'*4"
"""Every character that zxcvbn takes for a letter."""
PAYLOADS = ["", "0", "-1", "999999999999999999", "\u2028", "{" * 7_000, "'; --"]


@dataclass(frozen=True)
class Account:
    """An attacker's account, which is free, and a document of it."""

    headers: dict[str, str]
    document: str


@dataclass(frozen=True)
class Target:
    """What is attacked, and with what. The login of the database has no rights."""

    urls: Sequence[str]
    accounts: Sequence[Account]
    database_url: str
    chance: random.Random = field(default_factory=random.Random)

    async def open(self, address: str = ADDRESS) -> Connection:
        """Connect to any of the APIs. Raises `NoReply`."""
        return await Connection.open(self.chance.choice(self.urls), address)

    async def send(self, *requests: bytes) -> str:
        """Send requests on a connection; answers how the first one was met."""
        with closing(await self.open()) as connection:
            return str((await connection.ask(b"".join(requests))).status)


Strike = Callable[[Target], Awaitable[str]]


async def slow_head(target: Target) -> str:
    """A head without an end, byte by byte."""
    return await drip(await target.open(), b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")


async def silence(target: Target) -> str:
    """A connection on which nothing comes."""
    with closing(await target.open()) as connection:
        return await met(connection)


async def half_body(target: Target) -> str:
    """Most of the largest body, and then a byte a second."""
    headers = {**target.chance.choice(target.accounts).headers, **JSON, "Content-Length": str(LARGE + 10_000)}
    connection = await target.open(target.chance.choice(FURTHER_ADDRESSES))
    return await drip(connection, message("POST", "/v1/documents", headers) + b'{"title":"' + b"a" * LARGE)


async def drip(connection: Connection, beginning: bytes) -> str:
    """Send the beginning, then a byte a second until there is an answer."""
    with closing(connection):
        answer = asyncio.create_task(met(connection))
        connection.writer.write(beginning)
        while not answer.done():
            await asyncio.wait([answer], timeout=1)
            connection.writer.write(b"a")
        return answer.result()


async def met(connection: Connection) -> str:
    """How a request is answered."""
    try:
        return str((await connection.reply()).status)
    except (OSError, EOFError):
        return CUT


async def bomb(target: Target) -> str:
    """A request that is small, or quickly made, and costly to read."""
    path, headers, body = target.chance.choice(bombs())
    return await target.send(message("POST", path, {**target.chance.choice(target.accounts).headers, **headers}, body))


@cache
def bombs() -> list[tuple[str, dict[str, str], bytes]]:
    """Path, headers and body of each."""
    faults = b"{" + b",".join(b'"%d":1' % n for n in range(900_000)) + b"}"
    twice = b"{" + b",".join([b'"title":"a"'] * 900_000) + b"}"
    documents, login = "/v1/documents", "/v1/auth/login"
    return [
        (documents, {}, faults),
        (login, {}, faults),
        (documents, {}, twice),
        (documents, {}, b"[" * LARGE),
        (documents, {}, b'{"title":' + b"9" * LARGE + b"}"),
        (documents, {}, b'{"title":"a","content":"' + b"\\u0000" * (LARGE // 6) + b'"}'),
        (documents, {"Content-Encoding": "gzip"}, gzip.compress(bytes(2**28), 1)),
        (documents, {f"X-{n}": "a" for n in range(5_000)}, b"{}"),
        (documents, {"X-A": "a" * 1_000_000}, b"{}"),
        (f"/{'a' * 1_000_000}", {}, b"{}"),
    ]


async def small_chunks(target: Target) -> str:
    """A body of which each byte comes by itself."""
    headers = {**target.chance.choice(target.accounts).headers, **JSON, "Transfer-Encoding": "chunked"}
    return await target.send(message("POST", "/v1/documents", headers), b"1\r\na\r\n" * 100_000, b"0\r\n\r\n")


async def costly_password(target: Target) -> str:
    """One that takes long to judge, or an account that there is not: its password takes as long as any."""
    password = "".join(target.chance.sample(RICH, len(RICH))) * 4
    body = {"email": f"{uuid7()}@example.org", "password": password}
    if target.chance.random() < 0.5:
        return await target.send(message("POST", "/v1/auth/login", {}, msgspec.json.encode(body)))
    return await target.send(message("POST", "/v1/auth/register", {}, msgspec.json.encode({**body, "name": RICH})))


async def costly_text(target: Target) -> str:
    """A change of a text to another that is long and has nothing in common with it."""
    account = target.chance.choice(target.accounts)
    body = {"title": "Costly", "content": target.chance.choice(texts()), "status": "draft"}
    return await target.send(message("PUT", account.document, account.headers, msgspec.json.encode(body)))


@cache
def texts() -> list[str]:
    """Texts that are costly to compare: by chance alike, or with one change in the middle of many equal letters."""
    chance = random.Random(4711)
    long = ["".join(chance.choices(letters, k=1_000_000)) for letters in ("abcdefgh ", "ab\n", "😀é a\n")]
    return [*long, "x" + "a" * 24_990 + "y", "z" + "a" * 12_000 + "b" + "a" * 12_000 + "q", "ab" * 12_500]


async def forged_notifications(target: Target) -> str:
    """Notifications as if of ours, from a login without rights, with positions that there are not, and with garbage."""
    async with await psycopg.AsyncConnection.connect(target.database_url, autocommit=True) as connection:
        for _ in range(20):
            channel = target.chance.choice([APPENDED_CHANNEL, PROJECTED, INVALIDATED])
            await connection.execute("SELECT pg_notify(%s, %s)", [channel, target.chance.choice(PAYLOADS)])
    return SENT


async def event_stream(target: Target) -> str:
    """An event stream from the start of the log, which is not read."""
    with closing(await target.open()) as connection:
        request = message("GET", f"{STREAM}?after=0", target.chance.choice(target.accounts).headers)
        status = (await connection.ask(request)).status
        await asyncio.sleep(target.chance.uniform(*STREAM_SECONDS) if status == 200 else 0)
        return str(status)


@dataclass(frozen=True)
class Kind:
    """One kind of attack: how many attackers, the seconds that each waits between strikes, and how strikes are met."""

    strike: Strike
    attackers: int
    pause: float
    right: frozenset[str]


KINDS = {
    "slow heads": Kind(slow_head, 100, 0.5, frozenset({"408"})),
    "silent connections": Kind(silence, 100, 0.5, frozenset({CUT})),
    "half bodies": Kind(half_body, 42, 15.0, frozenset({"408", "503"})),
    "bombs": Kind(bomb, 1, 1.0, frozenset({"400", "413", "414", "415", "422", "431"})),
    "bodies in small chunks": Kind(small_chunks, 1, 2.0, frozenset({"400"})),
    "costly passwords": Kind(costly_password, 2, 0.5, frozenset({"202", "401"})),
    "costly texts": Kind(costly_text, 1, 2.0, frozenset({"200"})),
    "forged notifications": Kind(forged_notifications, 1, 0.5, frozenset({SENT})),
    "floods of streams": Kind(event_stream, 60, 5.0, frozenset({"200", "503"})),
}


def prepare() -> None:
    """Make what is sent, which takes a moment."""
    bombs()
    texts()


def attack(target: Target, seconds: float) -> dict[str, Counter[str]]:
    """Attack in every way for so many seconds; answers how often each kind was met in which way."""
    return asyncio.run(_attack(target, seconds))


async def _attack(target: Target, seconds: float) -> dict[str, Counter[str]]:
    answers = {name: Counter[str]() for name in KINDS}
    work = [
        asyncio.create_task(_repeat(kind, target, answers[name]))
        for name, kind in KINDS.items()
        for _ in range(kind.attackers)
    ]
    await asyncio.wait(work, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    failed = [task for task in work if task.done()]
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    for task in failed:
        task.result()
    return answers


async def _repeat(kind: Kind, target: Target, answers: Counter[str]) -> None:
    """Strike again and again. What is open at the end counts too."""
    await asyncio.sleep(target.chance.uniform(0, kind.pause * 2))
    while True:
        try:
            answers[await kind.strike(target)] += 1
        except NoReply:
            answers[CUT] += 1
        except asyncio.CancelledError:
            answers[OPEN] += 1
            raise
        await asyncio.sleep(target.chance.uniform(0.5, 1.5) * kind.pause)
