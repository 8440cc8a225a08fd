"""The relay, wired: from the store to Kafka."""

import asyncio
from collections.abc import Callable, Sequence
from threading import Thread

from adapters.stream.records import Publisher
from application.ports import Unavailable
from domain.kernel import Root
from infra.core import Core
from infra.kafka import backlog
from infra.kafka.opening import Settings as KafkaSettings
from infra.kafka.relay import Relay
from infra.kafka.state import Load, States, Wanted
from infra.kafka.topics import Topics

STOPPING_SECONDS = 10.0
LOADING_SECONDS = 30.0


async def relay(core: Core, kafka: KafkaSettings, names: Topics, contract: Publisher) -> None:
    """Publish until cancelled.

    Raises:
        WrongPartitions: a topic is not as it was when its streams were spread over it.
    """
    events = Relay(core.url, kafka, names, contract, core.keyring)
    states = States(core.url, kafka, names, contract, events, _loader(core))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(in_thread(events.run, events.stop))
        tasks.create_task(in_thread(states.run, states.stop))
        tasks.create_task(backlog.watch(core.database, names, events))


async def in_thread(run: Callable[[], None], stop: Callable[[], None]) -> None:
    """Run what blocks in a thread of its own. When cancelled, tell it to stop and wait for it, but not for ever."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(None)

    def work() -> None:
        error = None
        try:
            run()
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, error)

    Thread(target=work, name=run.__qualname__, daemon=True).start()
    try:
        await asyncio.shield(done)
    finally:
        stop()
        await asyncio.wait([done], timeout=STOPPING_SECONDS)


def _loader(core: Core) -> Load:
    """Loads aggregates for a thread, on the loop that runs now."""
    loop = asyncio.get_running_loop()

    async def load(wanted: Sequence[Wanted]) -> list[Root | Exception | None]:
        found = await asyncio.gather(*(core.store.load(kind, id) for kind, id in wanted), return_exceptions=True)
        for each in found:
            if isinstance(each, Unavailable) or not isinstance(each, Root | Exception | None):
                raise each
        return found  # type: ignore[return-value]

    return lambda wanted: asyncio.run_coroutine_threadsafe(load(wanted), loop).result(LOADING_SECONDS)
