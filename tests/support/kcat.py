"""kcat, a client that shares no code with ours: it is made on librdkafka, and Debian has it."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

HOW = "This test reads Kafka with kcat, which is not here. Debian, Ubuntu: apt install kcat. macOS: brew install kcat."
FORMAT = "%p %o %T %K %S\n%k%s%h\n"
"""Partition, offset, time, and the lengths of key and value; key, value and headers."""


class Line(msgspec.Struct, frozen=True):
    """A record as kcat tells it; `headers`: as one text."""

    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: str


def program() -> str:
    """Where kcat is; it is installed if that is possible.

    Raises:
        RuntimeError: it is not here and cannot be installed; the message says how to.
    """
    if shutil.which("kcat") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(tempfile.gettempdir()) / "palimpsest-kcat.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if shutil.which("kcat") is None:
                _install()
    found = shutil.which("kcat")
    if found is None:
        raise RuntimeError(HOW)
    return found


def _install() -> None:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    install = ["apt-get", "install", "-y", "--no-install-recommends", "kcat"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(install, env=environment, check=False, **quiet).returncode:  # type: ignore[call-overload]
        subprocess.run(["apt-get", "update"], check=False, **quiet)  # type: ignore[call-overload]
        subprocess.run(install, env=environment, check=False, **quiet)  # type: ignore[call-overload]


def read(address: str, topic: str) -> list[Line]:
    """The whole topic, each partition in its order.

    Raises:
        RuntimeError: kcat is not here, or could not read it.
    """
    command = [program(), "-b", address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-D", "", "-f", FORMAT]
    answer = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if answer.returncode:
        raise RuntimeError(f"kcat could not read {topic}: {answer.stderr.decode()}")
    return sorted(_lines(answer.stdout), key=lambda line: (line.partition, line.offset))


def _lines(said: bytes) -> Iterator[Line]:
    while said:
        head, _, said = said.partition(b"\n")
        partition, offset, timestamp, key_size, value_size = map(int, head.split())
        key, value = said[: max(0, key_size)], said[max(0, key_size) :][: max(0, value_size)]
        headers, _, said = said[len(key) + len(value) :].partition(b"\n")
        yield Line(partition, offset, timestamp, key, value, headers.decode())
