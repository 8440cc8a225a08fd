"""Process lifecycle: stop on SIGINT or SIGTERM, start and stop parts, wait for servers, tune the garbage collector."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from signal import SIGINT, SIGTERM
from threading import Thread
from typing import Any, Protocol, TypeVar

import structlog

from application.ports import Unavailable
from infra.errors import SetupError

RETRY_SECONDS = 1.0
THREAD_STOP_TIMEOUT_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Service(Protocol):
    """A part with a background task of its own."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


S = TypeVar("S", bound=Service)


@asynccontextmanager
async def started(service: S) -> AsyncIterator[S]:
    """Start a service; stop it at the end."""
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@asynccontextmanager
async def ended_by(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task. If it fails, the body is cancelled and the failure raised in its place."""
    body = asyncio.current_task()
    assert body is not None
    task = asyncio.create_task(work)
    failures: list[BaseException] = []

    def on_done(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failures.append(error)
            body.cancel()

    task.add_done_callback(on_done)
    try:
        yield
    except asyncio.CancelledError:
        if failures:
            body.uncancel()
            raise failures[0] from None
        raise
    finally:
        task.remove_done_callback(on_done)
        task.cancel()
        await asyncio.wait([task])


def collect_rarely() -> None:
    """Tune the garbage collector. Call this when everything is loaded.

    Objects of the start-up stay, so they are frozen. Collecting them again and again caused the slowest responses and
    doubled the time of rebuilds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`. SIGINT and SIGTERM cancel it, which counts as success."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for signal in (SIGINT, SIGTERM):
        loop.add_signal_handler(signal, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def in_thread(run: Callable[[], None], stop: Callable[[], None]) -> None:
    """Run a blocking function in a daemon thread. On cancellation call `stop` and wait a limited time for its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def work() -> None:
        error = None
        try:
            run()
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, error)

    Thread(target=work, name=run.__qualname__, daemon=True).start()
    try:
        await asyncio.shield(done)
    finally:
        stop()
        await asyncio.wait([done], timeout=THREAD_STOP_TIMEOUT_SECONDS)


def first_known(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first `SetupError` of a group, or the group: when one part fails, the errors of others follow."""
    known: Exception | None = group.subgroup(SetupError)
    while isinstance(known, ExceptionGroup):
        known = known.exceptions[0]
    return known or group


async def retry_until_available(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`, again while a server that it needs is unavailable."""
    while True:
        try:
            return await work()
        except Unavailable as error:
            log.warning("waiting for a server", reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
