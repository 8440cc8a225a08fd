"""Reads topics with kcat, a client on librdkafka that shares no code with kafka-python."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

HOW = "This test needs kcat, which is not installed. Debian, Ubuntu: apt install kcat. macOS: brew install kcat."
FORMAT = "%p %o %T %K %S\n%k%s%h\n"
"""Partition, offset, time, and the lengths of key and value; key, value and headers."""
SOON = ("-X", "fetch.wait.max.ms=10")
"""The broker answers at once that a partition has ended; by default it waits for more, half a second at a time."""


class Line(msgspec.Struct, frozen=True):
    """A record as kcat prints it. `headers`: as one text."""

    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: str


def program() -> str:
    """The path of kcat, which is installed if possible.

    Raises:
        RuntimeError: kcat is missing and cannot be installed; the message says how to install it.
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
        RuntimeError: kcat is missing, or could not read the topic.
    """
    options = ["-t", topic, "-o", "beginning", "-e", "-q", "-D", "", "-f", FORMAT, *SOON]
    command = [program(), "-b", address, "-C", *options]
    answer = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if answer.returncode:
        raise RuntimeError(f"kcat could not read {topic}: {answer.stderr.decode()}")
    return sorted(_lines(answer.stdout), key=lambda line: (line.partition, line.offset))


def _lines(output: bytes) -> Iterator[Line]:
    while output:
        head, _, output = output.partition(b"\n")
        partition, offset, timestamp, key_size, value_size = map(int, head.split())
        key, value = output[: max(0, key_size)], output[max(0, key_size) :][: max(0, value_size)]
        headers, _, output = output[len(key) + len(value) :].partition(b"\n")
        yield Line(partition, offset, timestamp, key, value, headers.decode())
