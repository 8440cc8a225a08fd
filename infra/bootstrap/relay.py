"""The relay, wired: from the store to Kafka."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from threading import Thread

import uvloop

from adapters.integration_events.cloudevents import CloudEvents
from application.ports import Unavailable
from domain.kernel import Root
from infra.bootstrap.lifetime import collect_rarely, until_stopped
from infra.bootstrap.write_side import open_write_side
from infra.errors import SetupError
from infra.kafka.client import clients
from infra.kafka.client.topics import Topics
from infra.kafka.relay import lag
from infra.kafka.relay.relay import Relay
from infra.kafka.relay.state_publisher import Load, StatePublisher, Wanted
from infra.kafka.relay.topic_setup import Settings as KafkaSettings
from infra.postgres.database import Database
from infra.sealing.keyring import Keyring
from infra.settings.model import Settings
from infra.store.event_store import PostgresEventStore

STOPPING_SECONDS = 10.0
LOADING_SECONDS = 30.0


def run(settings: Settings) -> None:
    """Publish the log to Kafka until SIGINT or SIGTERM.

    Raises:
        NoKafka: no broker is named.
        WrongPartitions: a topic is not as it was when its streams were spread over it.
    """
    kafka, names = clients.connection(settings), clients.topics(settings)
    # The client tells of every single attempt; the relay says that it waits, and why.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    uvloop.run(until_stopped(_relay(settings, kafka, names)))


async def _relay(settings: Settings, kafka: KafkaSettings, names: Topics) -> None:
    async with open_write_side(settings) as core:
        collect_rarely()
        try:
            await publish(
                core.url, core.database, core.keyring, core.store, kafka, names, CloudEvents(settings.public_url)
            )
        except ExceptionGroup as group:
            # What else failed when one part ended is not what is to be told.
            known = group.subgroup(SetupError)
            raise (known.exceptions[0] if known else group) from None


async def publish(
    url: str,
    database: Database,
    keyring: Keyring,
    store: PostgresEventStore,
    kafka: KafkaSettings,
    names: Topics,
    contract: CloudEvents,
) -> None:
    """Publish until cancelled.

    Raises:
        WrongPartitions: a topic is not as it was when its streams were spread over it.
    """
    events = Relay(url, kafka, names, contract, keyring)
    states = StatePublisher(url, kafka, names, contract, events, loader(store))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(in_thread(events.run, events.stop))
        tasks.create_task(in_thread(states.run, states.stop))
        tasks.create_task(lag.watch(database, names, events))


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


def loader(store: PostgresEventStore) -> Load:
    """Loads aggregates for a thread, on the loop that runs now."""
    loop = asyncio.get_running_loop()

    async def load(wanted: Sequence[Wanted]) -> list[Root | Exception | None]:
        found = await asyncio.gather(*(store.load(kind, id) for kind, id in wanted), return_exceptions=True)
        for each in found:
            if isinstance(each, Unavailable) or not isinstance(each, Root | Exception | None):
                raise each
        return found  # type: ignore[return-value]

    return lambda wanted: asyncio.run_coroutine_threadsafe(load(wanted), loop).result(LOADING_SECONDS)
