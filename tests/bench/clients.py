"""Many HTTP/1.1 clients in a process of their own, each sending its next request once the last one is answered.

They do as little as can be, so that what is measured is the server: ready bytes go out, and of an answer only the
status and the length are read. Keep-alive, no pipelining. `python -m tests.bench.clients` takes a `Job` as pickle on
standard input and answers with a `Result` on standard output.
"""

import asyncio
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, cycle
from operator import itemgetter
from time import perf_counter
from typing import cast

import uvloop

END = b"\r\n\r\n"
LENGTH = b"content-length:"
CUT_OFF = 0
"""Counted as the status of a request whose connection broke."""


@dataclass(frozen=True)
class Job:
    """What to send to a port of this machine, for how long.

    Each client has requests of its own, and begins again at the first one after the last, unless each may be sent once
    only. `names` are what the requests of each client are called, in turn. `interval`: the seconds between two requests
    of a client; 0: the next one follows at once.
    """

    port: int
    requests: Sequence[Sequence[bytes]]
    seconds: float
    once: bool = False
    names: Sequence[str] = ("",)
    interval: float = 0


@dataclass(frozen=True)
class Result:
    """What came back: how long answers took, in milliseconds, the fastest first, by the names of their requests."""

    times: dict[str, list[float]]
    statuses: dict[int, int]
    seconds: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(map(len, self.times.values())) / self.seconds

    @property
    def failures(self) -> int:
        """Requests that did not succeed."""
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)

    def percentile(self, share: float, name: str = "") -> float:
        """The time that this share of the answers took at most."""
        times = self.times[name]
        return times[int(len(times) * share)] if times else float("inf")


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it goes out."""
    named = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        named = {"Content-Type": "application/json", **named, "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + END + body


def run(job: Job) -> Result:
    """Do it in another process."""
    command = [sys.executable, "-m", "tests.bench.clients"]
    done = subprocess.run(command, input=pickle.dumps(job), stdout=subprocess.PIPE, check=True)
    return Result(**pickle.loads(done.stdout))


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, job: Job, requests: Sequence[bytes], started: float) -> None:
        self.times: list[tuple[str, float]] = []
        self.statuses: Counter[int] = Counter()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = iter(requests)
        self._names = cycle(job.names)
        self._round = len(job.names)
        self._again = None if job.once else requests
        self._end = started + job.seconds
        self._interval = job.interval
        self._received = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer; when it is whole, go on."""
        received = self._received + data if self._received else data
        head = received.find(END)
        if head < 0 or len(received) < head + len(END) + _length(received[:head]):
            self._received = received
            return
        self._received = b""
        self.times.append((next(self._names), (perf_counter() - self._sent) * 1000))
        self.statuses[int(received[9:12])] += 1
        if self._interval:
            asyncio.get_running_loop().call_later(self._sent + self._interval - perf_counter(), self._next)
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection has ended, from either side."""
        if not self.over.done():
            self.statuses[CUT_OFF] += 1
            self.over.set_result(None)

    def _next(self) -> None:
        self._sent = perf_counter()
        request = None
        # A round that has begun is brought to its end.
        if self._sent < self._end or len(self.times) % self._round:
            request = next(self._requests, None)
            if request is None and self._again:
                self._requests = iter(self._again)
                request = next(self._requests)
        assert self._transport is not None
        if request is None:
            self.over.set_result(None)
            self._transport.close()
        else:
            self._transport.write(request)


def _length(head: bytes) -> int:
    found = head.lower().find(LENGTH)
    return int(head[found + len(LENGTH) :].split(b"\r\n", 1)[0]) if found >= 0 else 0


def _same(client: Client) -> Client:
    return client


async def _work(job: Job) -> Result:
    started = perf_counter()
    clients = [Client(job, requests, started) for requests in job.requests]
    loop = asyncio.get_running_loop()
    for client in clients:
        await asyncio.sleep(job.interval / len(clients))
        await loop.create_connection(partial(_same, client), "127.0.0.1", job.port)
    await asyncio.gather(*[client.over for client in clients])
    seconds = perf_counter() - started
    statuses = sum((client.statuses for client in clients), Counter[int]())
    found = sorted(chain.from_iterable(client.times for client in clients), key=itemgetter(1))
    times = {name: [time for other, time in found if other == name] for name in dict.fromkeys(job.names)}
    return Result(times, dict(statuses), seconds)


if __name__ == "__main__":
    # Run as a program, this module has another name: its classes are not those that the bench knows.
    answer = pickle.dumps(asdict(uvloop.run(_work(pickle.load(sys.stdin.buffer)))))
    # A stream that is not buffered (PYTHONUNBUFFERED) may take a part of it, and say no more than how much.
    with open(sys.stdout.fileno(), "wb", closefd=False) as stdout:
        stdout.write(answer)
