"""PostgreSQL refuses to run as root, so root runs it as `nobody`, in folders that `nobody` can enter."""

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from infra.local.servers.process import Account, ServerError

ELSEWHERE = Path("/var/lib/palimpsest")
"""Where root keeps what `nobody` cannot reach in its place, for instance below /root."""


def account() -> Account:
    """The user to run as: `nobody` for root, oneself for everybody else."""
    if os.geteuid() != 0:
        return Account.current()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerError(
            "PostgreSQL does not run as root, and this system has no user 'nobody' to run it as. "
            "Start as an ordinary user."
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def place_for(folder: Path, user: Account) -> Path:
    """The folder itself, made, or where the user cannot enter it, one that stands for it below /var/lib/palimpsest."""
    folder.mkdir(parents=True, exist_ok=True)
    if user.uid != os.geteuid():
        folder.chmod(0o711)
    if can_enter(folder, user):
        return folder
    place = ELSEWHERE / sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True, mode=0o711)
    with suppress(FileExistsError):
        (folder / "elsewhere").symlink_to(place)
    return _entered(place, user)


def programs_for(folder: Path, user: Account) -> Path:
    """A wheel's folder of programs itself, or where the user cannot enter it, a copy below /var/lib/palimpsest."""
    if can_enter(folder, user):
        return folder
    wheel = folder.parent
    stamp = f"{folder.resolve()}:{folder.stat().st_mtime_ns}"
    copy = ELSEWHERE / "programs" / sha256(stamp.encode()).hexdigest()[:12]
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(folder, draft / wheel.name / folder.name, symlinks=True)
        for libraries in wheel.parent.glob(f"{wheel.name}.libs"):  # found by the programs relative to themselves
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.rename(copy)
    return _entered(copy / wheel.name / folder.name, user)


def can_enter(folder: Path, user: Account) -> bool:
    """Whether the user can reach what lies in the folder: asked of the system, which knows more than mode bits."""
    if user.uid == os.geteuid():
        return os.access(folder, os.X_OK)
    question = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0/."', folder.absolute()],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return question.returncode == 0


def _entered(folder: Path, user: Account) -> Path:
    if not can_enter(folder, user):
        raise ServerError(
            f"PostgreSQL does not run as root, and '{user.name}' cannot enter {folder}. "
            "Start as an ordinary user, or give DATABASE_URL of a server that runs already."
        )
    return folder
