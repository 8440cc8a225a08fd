"""The guide for readers of the stream holds: its consumer counts once, its question is answered."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID

import duckdb
import pytest
from kafka import KafkaConsumer

from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.kernel import Party
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics
from infra.kafka.tools.export import export
from infra.local.servers.kafka import EmbeddedKafka
from tests.support import published
from tests.support.kafka import own_topics
from tests.support.published import public, send
from tests.support.servers import Cluster
from tests.support.stored import decoded
from tests.support.waiting import wait_until

README = Path(__file__).parents[2] / "adapters" / "integration_events" / "README.md"
LINES = 30


def block(language: str, words: str) -> str:
    """The README's block of code in which these words are."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL) if words in code]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="module")
def log(cluster: Cluster) -> list[EventRow]:
    """A log in which documents are created, and plans change."""
    with cluster.database() as database:
        published.live(database.app_url, 1_000)
        return published.rows(database.app_url)


@pytest.fixture
def topics() -> Topics:
    """Topics of the test's own."""
    return own_topics(partitions=3)


class Counting:
    """The README's consumer, as a process, and what it has counted."""

    def __init__(self, folder: Path, address: str, topic: str) -> None:
        self.database = folder / "written.db"
        program = folder / "count.py"
        program.write_text(block("python", "Counts the documents"))
        self._command = [sys.executable, str(program), address, str(self.database), topic]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it; at the end it is killed, whatever it does."""
        process = subprocess.Popen(self._command)
        try:
            yield
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What its database says; nothing as long as there is none."""
        try:
            with closing(sqlite3.connect(self.database, timeout=10)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    @property
    def written(self) -> dict[str, int]:
        """What it has counted."""
        return dict(self.ask("SELECT owner, documents FROM written"))

    @property
    def records(self) -> int:
        """How many records it has taken in."""
        return sum(offset for (offset,) in self.ask("SELECT upto FROM places"))


def created(log: list[EventRow]) -> dict[str, int]:
    """How many documents each user has created."""
    events = [decoded(row.topic, row.state, row.stream_id, row.version) for row in log]
    return Counter(str(event.owner_id) for event in events if isinstance(event, Document.Created))


def test_the_consumer_counts_each_document_once_though_it_is_killed(
    log: list[EventRow], topics: Topics, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    address = {"bootstrap_servers": kafka.address}
    records = [record for record in public(log, topics) if record.topic == topics.public("document")]
    third = len(records) // 3
    first, second, last = records[:third], records[third - 20 : 2 * third], records[2 * third - 30 :]
    counting = Counting(tmp_path, kafka.address, topics.public("document"))
    send(address, topics, first)
    with counting.running():
        wait_until(lambda: counting.records == len(first))
    with closing(sqlite3.connect(counting.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with counting.running():
            send(address, topics, second)
            sleep(2)  # it has read them, and waits to write
    assert counting.records == len(first)
    with counting.running():
        send(address, topics, last)
        wait_until(lambda: counting.records == len(first) + len(second) + len(last))
    assert counting.written == created(log)


def test_the_consumer_is_as_short_as_is_said() -> None:
    code = [line for line in block("python", "Counts the documents").splitlines() if line and '"""' not in line]
    assert len([line for line in code if not line.startswith(("import ", "from "))]) <= LINES


def test_documents_per_day_and_plan_are_told_from_the_export(
    log: list[EventRow], topics: Topics, kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"bootstrap_servers": kafka.address}
    send(address, topics, public(log, topics))
    for aggregate in ("document", "subscription"):
        with closing(KafkaConsumer(**address)) as consumer:
            export(consumer, topics.public(aggregate), aggregate, tmp_path / "lake" / aggregate)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        told = connection.execute(block("sql", "ASOF JOIN")).fetchall()
    assert {(str(day), plan): documents for day, plan, documents in told} == per_day_and_plan(log)
    assert {plan for _, plan, _ in told} == {"free", "pro", "enterprise"}


def per_day_and_plan(log: list[EventRow]) -> dict[tuple[str, str], int]:
    """The same, by going through the log."""
    plans: dict[UUID, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for row in log:
        match decoded(row.topic, row.state, row.stream_id, row.version):
            case Subscription.Started(plan=plan) | Subscription.PlanChanged(plan=plan):
                plans[row.stream_id] = plan
            case Subscription.Cancelled():
                plans[row.stream_id] = "free"
            case Document.Created(owner_kind=kind, owner_id=owner, timestamp=moment):
                found[f"{moment:%Y-%m-%d}", plans[Subscription.id_of(Party(kind, owner))]] += 1
    return found
