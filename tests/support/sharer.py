"""A projector fed by Kafka, as a process of its own, to be killed. It has notes, totals and the product's models."""

import asyncio
import logging
import sys
from pathlib import Path

from infra.kafka.client.topics import Topics
from projections.kernel import ReadModel, read_models
from tests.support.feeding import FromKafka
from tests.support.forks import ForkedProgram
from tests.support.notes import Notes
from tests.support.publishing import Publisher
from tests.support.servers import Database
from tests.support.stores import open_store
from tests.support.totals import LineTotals


def models() -> list[ReadModel]:
    """What it projects."""
    return [Notes(), LineTotals(), *read_models()]


def sharer(database: Database, publisher: Publisher, log: Path) -> ForkedProgram:
    """One such process."""
    topics = publisher.topics
    arguments = [database.app_url, publisher.servers, topics.prefix, str(topics.partitions)]
    return ForkedProgram("tests.support.sharer", *arguments, log=log)


async def share(url: str, servers: str, prefix: str, partitions: str) -> None:
    """Project until killed."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    publisher = Publisher(servers, Topics(prefix, int(partitions)), url)
    async with open_store(url) as opened, FromKafka(opened, publisher).projecting(*models()):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(share(*sys.argv[1:]))
