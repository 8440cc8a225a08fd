"""A disk that can be full: a small one in memory where root may mount one, else a limit on the size of files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEGABYTES = 128
BALLAST = "ballast"


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Mount one there, if that is allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=0700", "palimpsest", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, pid: int) -> None:
    """Leave no room there, or none for what the process writes."""
    if not place.is_mount():
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
        return
    with suppress(OSError), (place / BALLAST).open("wb", buffering=0) as ballast:
        while ballast.write(bytes(65536)):
            pass


def clear(place: Path, pid: int | None) -> None:
    """Make room again; `pid` is that of the process, if it still runs."""
    (place / BALLAST).unlink(missing_ok=True)
    if pid is not None and not place.is_mount():
        with suppress(ProcessLookupError):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
