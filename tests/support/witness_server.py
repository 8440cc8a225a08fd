"""A witness on this machine (C2SP tlog-witness) that answers as a test wants. Its checks are those of our own code."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.audit.cosignatures import WitnessKey
from infra.audit.notes import LogCheckpoint, VerifierKey
from infra.audit.tree import ProofRefused, require_consistency
from infra.audit.witnessing import Witness
from tests.support.sealing import SIGNER
from tests.support.threaded_server import QuietHandler, serving

TIME = 1_796_040_300
"""When it cosigns, in seconds since 1970, unless a test says so."""

Answer = tuple[int, str]
"""Status and text."""


@dataclass
class WitnessServer:
    """`behaviour`: of the next requests, in order: an answer, "cut" or "stall"; then it does what a witness does.

    `log`: the key of the log that it knows; `known`: what it has cosigned last; `requests`: the old size of each.
    """

    name: str = "witness.example/w1"
    log: VerifierKey = SIGNER.key
    time: int = TIME
    url: str = ""
    known: LogCheckpoint | None = None
    behaviour: list[Answer | str] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(self.name.encode().ljust(32, b"\0")[:32])
        self.key = WitnessKey(self.name, self._private.public_key().public_bytes_raw())

    @property
    def witness(self) -> Witness:
        """What the sealer knows of it."""
        return Witness(self.key, self.url)

    @property
    def setting(self) -> str:
        """It, as it is written in the settings."""
        return f"{self.key} {self.url}"

    def line(self, note: str) -> str:
        """The line with which it cosigns a checkpoint, whatever that is."""
        text = f"{note.partition(chr(10) * 2)[0]}\n"
        signature = self._private.sign(f"cosignature/v1\ntime {self.time}\n{text}".encode())
        encoded = b64encode(self.key.id + self.time.to_bytes(8, "big") + signature).decode()
        return f"\u2014 {self.name} {encoded}\n"

    def answer(self, body: str) -> Answer:
        """Do what a witness does."""
        head, _, note = body.partition("\n\n")
        old, *hashes = head.split("\n")
        size, known = int(old.removeprefix("old ")), self.known
        self.requests.append(size)
        found = self.log.open(note)
        if size != (known.size if known else 0):
            return 409, f"{known.size if known else 0}\n"
        if known is not None:
            if known.size == found.size and known.root != found.root:
                return 409, f"{known.size}\n"
            try:
                proof = [b64decode(each) for each in hashes]
                require_consistency(known.size, known.root, found.size, found.root, proof)
            except ProofRefused:
                return 422, ""
        self.known = found
        return 200, self.line(note)


@contextmanager
def witness_server(name: str = "witness.example/w1") -> Iterator[WitnessServer]:
    """Run a witness meanwhile."""
    state = WitnessServer(name)

    class Handler(QuietHandler):
        """Answers as the state says."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with state.lock:
                what = state.behaviour.pop(0) if state.behaviour else state.answer(body)
            if what == "stall":
                state.over.wait(30)
            if isinstance(what, str):
                self.cut()
                return
            status, text = what
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Location", state.url)
            self.end_headers()
            self.wfile.write(text.encode())

    with serving(Handler, state.over) as state.url:
        yield state
