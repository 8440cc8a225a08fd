"""The relay role: publishes the log to Kafka."""

import asyncio
import logging
from collections.abc import Sequence

import uvloop

from adapters.integration_events.cloudevents import CloudEvents
from application.ports import Unavailable
from domain.kernel import Root
from infra.bootstrap.lifetime import collect_rarely, first_known, in_thread, retry_until_available, until_stopped
from infra.bootstrap.write_side import open_write_side
from infra.kafka.client import config
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics
from infra.kafka.relay import lag
from infra.kafka.relay.relay import Relay
from infra.kafka.relay.state_publisher import AggregateRef, LoadAggregates, StatePublisher
from infra.postgres.database import Database
from infra.sealing.keyring import Keyring
from infra.settings.model import Settings
from infra.store.event_store import PostgresEventStore

LOAD_TIMEOUT_SECONDS = 30.0


def run(settings: Settings) -> None:
    """Publish the log to Kafka until SIGINT or SIGTERM.

    Raises:
        NoKafka: no broker is configured.
        WrongPartitions: the partition count of a topic has changed since its first records.
    """
    kafka, names = config.connection(settings.kafka), config.topics(settings.kafka)
    # The client logs every connection attempt; the relay logs once that it waits, and why.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    uvloop.run(until_stopped(_relay(settings, kafka, names)))


async def _relay(settings: Settings, kafka: ClientConfig, names: Topics) -> None:
    async with open_write_side(settings, "relay") as core:
        await retry_until_available(core.guard.require)
        collect_rarely()
        try:
            await publish(
                core.url, core.database, core.keyring, core.store, kafka, names, CloudEvents(settings.http.public_url)
            )
        except ExceptionGroup as group:
            raise first_known(group) from None


async def publish(
    url: str,
    database: Database,
    keyring: Keyring,
    store: PostgresEventStore,
    kafka: ClientConfig,
    names: Topics,
    contract: CloudEvents,
) -> None:
    """Publish until cancelled.

    Raises:
        WrongPartitions: the partition count of a topic has changed since its first records.
    """
    events = Relay(url, kafka, names, contract, keyring)
    states = StatePublisher(url, kafka, names, contract, events, loader(store))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(in_thread(events.run, events.stop))
        tasks.create_task(in_thread(states.run, states.stop))
        tasks.create_task(lag.watch(database, names, events))


def loader(store: PostgresEventStore) -> LoadAggregates:
    """A function that loads aggregates for another thread, on the running event loop."""
    loop = asyncio.get_running_loop()

    async def load(wanted: Sequence[AggregateRef]) -> list[Root | Exception | None]:
        found = await asyncio.gather(*(store.load(kind, id) for kind, id in wanted), return_exceptions=True)
        for each in found:
            if isinstance(each, Unavailable) or not isinstance(each, Root | Exception | None):
                raise each
        return found  # type: ignore[return-value]

    return lambda wanted: asyncio.run_coroutine_threadsafe(load(wanted), loop).result(LOAD_TIMEOUT_SECONDS)
