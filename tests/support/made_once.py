"""What tests make once per checkout, from sources whose digest says whether it is made."""

import fcntl
from collections.abc import Callable
from pathlib import Path


def made_once(home: Path, wanted: str, make: Callable[[], None]) -> None:
    """Make something in a folder, unless that was done for the digest `wanted`. Other processes wait meanwhile."""
    home.mkdir(parents=True, exist_ok=True)
    done = home / "done"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            make()
            done.write_text(wanted)
