"""A SIEM on this machine, by HTTPS, that answers as a test wants."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from tests.support.certificates import Certificates
from tests.support.threaded_server import QuietHandler, serving


@dataclass
class SiemServer:
    """`behaviour`: of the next requests, in order: a status, "cut" or "stall"; then all are confirmed with 204."""

    url: str
    authority: Path
    behaviour: list[int | str] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    confirmed: list[dict[str, Any]] = field(default_factory=list)
    """The lines of all requests that were confirmed."""
    over: Event = field(default_factory=Event)

    @property
    def positions(self) -> list[int]:
        """The positions of the confirmed lines."""
        return [line["position"] for line in self.confirmed]


@contextmanager
def siem_server(folder: Path) -> Iterator[SiemServer]:
    """Run a server meanwhile."""
    certificates = Certificates.make(folder)
    state = SiemServer("", certificates.authority)

    class Handler(QuietHandler):
        """Answers as the state says."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((dict(self.headers), body))
            what = state.behaviour.pop(0) if state.behaviour else 204
            if what == "stall":
                state.over.wait(30)
            if isinstance(what, str):
                self.cut()
                return
            if what < 300:
                state.confirmed += [json.loads(line) for line in body.splitlines()]
            self.send_response(what)
            self.send_header("Content-Length", "0")
            self.send_header("Location", state.url)
            self.end_headers()

    with serving(Handler, state.over, certificates.server()) as url:
        state.url = f"{url}/history"
        yield state
