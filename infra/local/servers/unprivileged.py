"""PostgreSQL refuses to run as root: root runs it as another user, in folders that this user can enter.

The user is `palimpsest` if the machine has it, else the one that Unix keeps for programs without rights. Other programs
run as that user, too: they could read the data and stop the server. An administrator prevents it by
`useradd --system --no-create-home palimpsest`.
"""

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from infra.local.servers.process import Account, ServerError, environment_for_others

USERS = ("palimpsest", "nobody")
"""Names of users: the first one that exists runs PostgreSQL for root."""

FALLBACK_FOLDER = Path("/var/lib/palimpsest")
"""Holds the data and programs that this user cannot reach in their own folder, for instance below /root."""


def account() -> Account:
    """The user that runs PostgreSQL: one of `USERS` for root, else the current user."""
    if os.geteuid() != 0:
        return Account.current()
    for name in USERS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ServerError(
        f"PostgreSQL does not run as root, and this system has no user {' or '.join(USERS)} to run it as. "
        "Start as an ordinary user."
    )


def accessible_folder(folder: Path, user: Account) -> Path:
    """Create the folder and return it; if the user cannot enter it, a folder in its place below /var/lib/palimpsest."""
    folder.mkdir(parents=True, exist_ok=True)
    if user.uid != os.geteuid():
        folder.chmod(0o711)
    if can_enter(folder, user):
        return folder
    fallback = FALLBACK_FOLDER / sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    fallback.mkdir(parents=True, exist_ok=True, mode=0o711)
    with suppress(FileExistsError):
        (folder / "elsewhere").symlink_to(fallback)
    return _checked(fallback, user)


def accessible_programs(folder: Path, user: Account) -> Path:
    """A wheel's folder of programs; if the user cannot enter it, a copy below /var/lib/palimpsest."""
    if can_enter(folder, user):
        return folder
    wheel = folder.parent
    stamp = f"{folder.resolve()}:{folder.stat().st_mtime_ns}"
    copy = FALLBACK_FOLDER / "programs" / sha256(stamp.encode()).hexdigest()[:12]
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(folder, draft / wheel.name / folder.name, symlinks=True)
        for libraries in wheel.parent.glob(f"{wheel.name}.libs"):  # the programs load them by relative path
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.rename(copy)
    return _checked(copy / wheel.name / folder.name, user)


def can_enter(folder: Path, user: Account) -> bool:
    """Whether the user can reach the folder's files. The system decides: mode bits alone do not say it."""
    if user.uid == os.geteuid():
        return os.access(folder, os.X_OK)
    probe = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0/."', folder.absolute()],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        env=environment_for_others(),
        check=False,
    )
    return probe.returncode == 0


def _checked(folder: Path, user: Account) -> Path:
    if not can_enter(folder, user):
        raise ServerError(
            f"PostgreSQL does not run as root, and '{user.name}' cannot enter {folder}. "
            "Start as an ordinary user, or set DATABASE_URL of a running server."
        )
    return folder
