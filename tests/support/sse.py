"""Listens to server-sent events as a browser does (WHATWG HTML, 9.2.6)."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

STREAM = "/v1/events/stream"


@dataclass(frozen=True)
class Happened:
    """An event as a listener gets it."""

    id: int
    type: str
    data: dict[str, Any]


class Listening:
    """An open stream. `last_id` is what to send as Last-Event-ID when coming again; `comments` counts heartbeats."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.last_id = ""
        self.comments = 0
        self.retry = 0
        self._blocks = self._read(answer.iter_lines())
        self.started = next(self._blocks, None)

    def until(self, enough: Callable[[list[Happened]], bool]) -> list[Happened]:
        """What comes until that is enough, or the stream ends."""
        found: list[Happened] = []
        while not enough(found):
            happened = next(self._blocks, "over")
            if happened == "over":
                return found
            if isinstance(happened, Happened):
                found.append(happened)
        return found

    def some(self, count: int) -> list[Happened]:
        """As many events, or those until the end of the stream."""
        return self.until(lambda found: len(found) >= count)

    def rest(self) -> list[Happened]:
        """All until the end of the stream."""
        return self.until(lambda found: False)

    def _read(self, lines: Iterator[str]) -> Iterator[Happened | None]:
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            if not line:
                self.last_id = fields.get("id", self.last_id)
                self.retry = int(fields.get("retry", self.retry))
                data = fields.get("data")
                yield None if data is None else Happened(int(self.last_id), fields["event"], json.loads(data))
                fields = {}
            elif not name:
                self.comments += 1
            else:
                fields[name] = value.removeprefix(" ")


@contextmanager
def listening(
    client: httpx2.Client, last_id: str | int | None = None, expect: int = 200, **query: Any
) -> Iterator[Listening]:
    """Listen; without `last_id` to what happens from now on. It ends in time for a test that hears too little."""
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    with client.stream("GET", STREAM, params={"wait": 15, **query}, headers=headers, timeout=30) as answer:
        assert answer.status_code == expect, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        stream = Listening(answer)
        yield stream


def heard(client: httpx2.Client, last_id: str | int | None = None, **query: Any) -> list[Happened]:
    """All that has happened so far."""
    with listening(client, last_id, wait=0, **({} if last_id is not None else {"after": 0}), **query) as stream:
        return stream.rest()
