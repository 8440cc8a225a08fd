"""Programs of Python that start in milliseconds: each is a fork of one process that has imported the product.

Most of a start by the command line is imports, the vocabulary of language models and the rules of user agents: seconds,
for each process that a test kills. A fork is a process all the same, with an id, an environment, files and an exit code
of its own: it is killed, frozen and asked to end as any other. Tests of the command line itself start by it.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.servers.launch import PR_SET_PDEATHSIG
from infra.local.servers.process import open_log

IMPORTED = "tests.support.imported"
"""What the process that is forked has done before."""


class ForkedProgram:
    """`python -m MODULE ARGUMENTS...`, with what tests use of `subprocess.Popen`.

    `environment`: all of its variables; without it those of this process. `log`: a file for its output; without it the
    output goes where that of this process goes. On Linux it gets SIGTERM when this process ends. As a context it is
    killed at the end.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([IMPORTED])
        variables = dict(os.environ if environment is None else environment)
        if log is not None:
            os.close(open_log(log))  # so that it is there at once
        self._process = context.Process(target=_run, args=(module, arguments, variables, log))
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.wait()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or a signal as a negative number; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            TimeoutExpired: it runs after so many seconds.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return self.returncode

    def send_signal(self, sign: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, sign)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def stop(self, patience: float) -> None:
        """Ask it to end; end it if it runs after so many seconds."""
        self.terminate()
        self._process.join(patience)
        self.kill()
        self.wait()


def _run(module: str, arguments: Sequence[str], variables: Mapping[str, str], log: Path | None) -> None:
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        starter = multiprocessing.parent_process()
        if starter is not None and not starter.is_alive():  # it ended before this was asked for
            os.kill(os.getpid(), signal.SIGTERM)
    os.environ.clear()
    os.environ.update(variables)
    if log is not None:
        output = open_log(log)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output, stream.fileno())
        os.close(output)
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # `python -m` runs a module that is not imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)
