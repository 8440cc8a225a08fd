"""Runs a command that ends with the process that started it: `launch.py PARENT SIGNAL UID GID COMMAND...`.

A separate program because a `preexec_fn` may deadlock in a process with threads. The command keeps the process id.
Outside Linux the command outlives a killed parent: the next start finds it and ends it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, signal: str, uid: str, gid: str, *command: str) -> None:
    """Switch to the user, ask the kernel for `signal` when the parent ends, and exec the command (absolute path).

    What the command writes is private to its user.
    """
    libc = ctypes.CDLL(None)
    os.umask(0o077)
    if int(uid) != os.geteuid():
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, int(signal))  # must follow setuid, which clears it
        if os.getppid() != int(parent):
            sys.exit("the process that started this one has ended")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
