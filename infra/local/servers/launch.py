"""Runs a command that ends with the process that started it: `launch.py PARENT SIGNAL UID GID COMMAND...`.

A program of its own because a `preexec_fn` may deadlock in a process with threads. The command keeps its process id.
Outside Linux nobody ends the command: the next start finds it and ends it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, signal: str, uid: str, gid: str, *command: str) -> None:
    """Become the user, ask the kernel for `signal` at the parent's end, and turn into the command (absolute path)."""
    libc = ctypes.CDLL(None)
    if int(uid) != os.geteuid():
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, int(signal))  # after setuid, which clears it
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
