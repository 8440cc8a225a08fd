"""`palimpsest stream`: what readers and operators see of the published stream."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest
from kafka import KafkaAdminClient
from typer.testing import CliRunner, Result

from infra.cli.published import app
from infra.errors import SetupError
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics
from infra.kafka.tools import export as exporting
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import free_port
from tests.support import published
from tests.support.environment import unset_settings
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.published import Planned, private, public, send, states, without
from tests.support.servers import Cluster
from tests.support.stores import make_key_file
from tests.support.waiting import MAX_WAIT_SECONDS, wait_until


class Stream:
    """A log, and the records that it should have in the topics."""

    def __init__(self, url: str, history: History) -> None:
        self.url = url
        self.history = history
        self.log: Sequence[EventRow] = published.rows(url)

    def records(self, topics: Topics) -> list[Planned]:
        """All records that should exist."""
        log = self.log
        return [*private(log, topics), *public(log, topics), *states(self.history, topics, len(log))]


@pytest.fixture(scope="module")
def stream(cluster: Cluster) -> Iterator[Stream]:
    """A log that no test changes, and its aggregates."""
    with cluster.database() as database:
        yield Stream(database.app_url, published.live(database.app_url, 120))


@pytest.fixture
def topics() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=3)


@pytest.fixture
def address(kafka: EmbeddedKafka) -> dict[str, str]:
    """The broker's address."""
    return {"bootstrap_servers": kafka.address}


@pytest.fixture(autouse=True)
def settings(
    stream: Stream, kafka: EmbeddedKafka, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", stream.url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.address)
    monkeypatch.setenv("PALIMPSEST_KAFKA_PREFIX", topics.prefix)
    monkeypatch.setenv("PALIMPSEST_KAFKA_PARTITIONS", "3")
    monkeypatch.setenv("COLUMNS", "100")


def run(*words: str, code: int = 0) -> Result:
    """Run a command."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result


def lines(*words: str) -> list[dict[str, object]]:
    """Run a command, and parse its JSON lines."""
    return [json.loads(line) for line in run(*words).stdout.splitlines()]


def test_the_topics_are_listed_with_what_is_in_them(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    send(address, topics, [record for record in stream.records(topics) if 0 < record.position <= 100])
    with_lag = {each["topic"]: each for each in json.loads(run("topics", "--json").stdout)}
    internal = with_lag[topics.internal]
    assert (internal["partitions"], internal["position"]) == (3, 100)
    assert internal["behind"] == len(stream.log) - 100
    assert with_lag[topics.public("document")]["retention"] == "everything"
    assert with_lag[topics.state("team")]["retention"] == "newest of each key"
    said = run("topics").stdout
    assert all(topic in said for topic in [*topics.events(), *topics.states()])


def test_missing_topics_are_listed_as_missing() -> None:
    assert all(each["retention"] == "not there" for each in json.loads(run("topics", "--json").stdout))


def test_the_tail_shows_the_last_events(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    send(address, topics, stream.records(topics))
    last = max(record.position for record in public(stream.log, topics))
    said = run("tail").stdout.splitlines()
    assert len(said) == 10
    assert said[-1].startswith(f"{last} ")
    assert "\x1b" not in "".join(said)


def test_the_tail_begins_at_the_given_position(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    records = stream.records(topics)
    send(address, topics, records)
    documents = [each.position for each in records if each.topic == topics.public("document") and each.position >= 50]
    told = lines("tail", "document", "--from", "50", "--json")
    assert sorted(int(str(each["sequence"])) for each in told) == documents
    first = told[0]
    assert {"topic", "partition", "offset", "id", "type", "subject", "time", "data"} <= first.keys()
    assert isinstance(first["data"], dict)


def test_the_tail_shows_tombstones_and_foreign_records(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    topic = topics.state("document")
    tombstone = Planned(topic, 0, b"gone", None, [("ce_sequence", b"7")])
    send(
        address, topics, [tombstone, Planned(topic, 0, b"other", b"junk\x1b[2J", [("ce_source", b"elsewhere\x1b[2J")])]
    )
    assert [each["type"] for each in lines("tail", topic, "--json")] == ["foreign", "tombstone"]
    said = run("tail", topic).stdout
    assert "tombstone gone" in said
    assert "\x1b" not in said


def test_the_tail_shows_nothing_sealed(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    send(address, topics, [*stream.records(topics), Planned(topics.internal, 0, b"?", b"junk", [])])
    told = lines("tail", topics.internal, "--from", "1", "--json")
    kinds = {str(each["type"]) for each in told}
    assert {"watermark", "user.registered"} <= kinds
    assert all("sealed" in str(each["data"]) for each in told if "id" in each)


def test_readers_need_neither_database_nor_keys(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(address, topics, stream.records(topics))
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / "keys.json").unlink()
    assert lines("tail", "--json")
    run("export", "team", "--to", str(tmp_path))


def test_ctrl_c_ends_following_without_an_error(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    send(address, topics, stream.records(topics))
    command = [sys.executable, "-m", "infra.cli.main", "stream", "tail", "--follow"]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert following.stdout
    for _ in range(10):
        assert following.stdout.readline()
    send(address, topics, [next(public(stream.log, topics))])
    assert following.stdout.readline().startswith("1 ")
    following.send_signal(signal.SIGINT)
    output, errors = following.communicate(timeout=MAX_WAIT_SECONDS)
    assert (output, errors, following.returncode) == ("", "", 0)


def test_a_missing_broker_is_reported_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr("infra.kafka.client.connect.BOOTSTRAP_MS", 500)
    result = CliRunner().invoke(app, ["tail"])
    assert isinstance(result.exception, SetupError)
    assert "Kafka does not answer" in str(result.exception)


def test_an_export_names_the_package_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "infra.kafka.tools.export", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = CliRunner().invoke(app, ["export", "document"])
    assert isinstance(result.exception, SetupError)
    assert "pip install 'palimpsest[export]'" in str(result.exception)


def test_an_unknown_topic_is_refused_in_a_sentence() -> None:
    result = CliRunner().invoke(app, ["tail", "nonsense"])
    assert isinstance(result.exception, SetupError)
    assert "There are: audit, budget, subscription, access_request, document" in str(result.exception)


def test_topics_that_agree_with_the_store_are_reported(stream: Stream, topics: Topics, address: dict[str, str]) -> None:
    send(address, topics, stream.records(topics))
    assert f"agree from position 1 to {len(stream.log)}" in run("reconcile").stdout
    report = json.loads(run("reconcile", "--to", "50", "--json").stdout)
    assert report["ok"]
    assert report["counts"][topics.internal]["events"] == 50
    assert report["ranges"][0]["store"] == report["ranges"][0]["topics"]


def test_the_first_difference_is_reported_with_exit_code_1(
    stream: Stream, topics: Topics, address: dict[str, str]
) -> None:
    at = next(n for n, record in enumerate(stream.records(topics)) if record.position == 30)
    send(address, topics, without(stream.records(topics), at))
    said = run("reconcile", "--patience", "0", code=1).stdout
    assert "The first difference is missing: position 30" in said
    report = json.loads(run("reconcile", "--patience", "0", "--json", code=1).stdout)
    assert (report["ok"], report["difference"]["position"]) == (False, 30)


def test_public_events_are_exported_in_typed_columns(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path
) -> None:
    send(address, topics, stream.records(topics))
    expected = [record for record in public(stream.log, topics) if record.topic == topics.public("document")]
    run("export", "document", "--to", str(tmp_path / "lake"))
    files = sorted((tmp_path / "lake" / "document").glob("day=*/part-*.parquet"))
    types = {field.name: str(field.type) for field in pyarrow.parquet.read_schema(files[0])}
    assert types["ce_sequence"] == types["title_length"] == "int64"
    assert types["ce_time"] == types["occurred_at"] == "timestamp[us, tz=UTC]"
    found = ask(
        f"SELECT ce_sequence, ce_subject, ce_time::date = day FROM '{tmp_path}/lake/document/*/*.parquet' ORDER BY 1"
    )
    assert found == [(record.position, str(record.stream_id), True) for record in expected]


@pytest.mark.parametrize(("bound", "most"), [("BATCH_EVENTS", 7), ("BATCH_BYTES", 1_000)])
def test_h3_a_stopped_export_continues_and_repeats_nothing(
    stream: Stream,
    topics: Topics,
    address: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    most: int,
) -> None:
    monkeypatch.setattr(exporting, bound, most)
    records = [record for record in public(stream.log, topics) if record.topic == topics.public("document")]
    half, junk = len(records) // 2, Planned(topics.public("document"), 0, None, b"junk", [])
    send(address, topics, records[:half])
    run("export", "document", "--to", str(tmp_path))
    send(address, topics, [*records[half - 5 :], junk])
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_replace", stop)
        assert isinstance(CliRunner().invoke(app, ["export", "document", "--to", str(tmp_path)]).exception, Stopped)
    assert len(positions(tmp_path / "document")) > half
    said = run("export", "document", "--to", str(tmp_path)).output
    assert "1 records are not events" in said
    assert positions(tmp_path / "document") == [record.position for record in records]


def test_an_export_skips_records_that_are_no_events(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path
) -> None:
    topic = topics.public("document")
    records = [record for record in public(stream.log, topics) if record.topic == topic]
    beyond = [("ce_id", b"1"), ("ce_time", b"2026-11-22T12:00:00Z"), ("ce_sequence", str(2**63).encode())]
    foreign: list[list[tuple[str, bytes]]] = [[], beyond, beyond[:2], beyond[1:]]
    send(address, topics, [*(Planned(topic, 0, b"?", b"{}", headers) for headers in foreign), *records])
    assert "4 records are not events" in run("export", "document", "--to", str(tmp_path)).output
    assert positions(tmp_path / "document") == [record.position for record in records]
    assert "0 new events" in run("export", "document", "--to", str(tmp_path)).output


def test_a_file_is_synced_before_the_progress_names_it(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(address, topics, stream.records(topics))
    synced: list[str] = []
    fsync = os.fsync

    def note(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        fsync(number)

    monkeypatch.setattr(os, "fsync", note)
    run("export", "team", "--to", str(tmp_path))
    written = [Path(name).stem for name in synced if name.endswith(exporting.UNFINISHED)]
    assert written[-1] == Path(exporting.PROGRESS_FILE).stem
    assert set(written[:-1]) == {"part-000001"}


class Stopped(Exception):
    """The process ended."""


def stop(target: Path, content: bytes) -> None:
    """Stop after the files of a batch are written and before the progress is."""
    raise Stopped


def test_a_topic_that_was_created_again_adds_nothing_twice(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path
) -> None:
    records = [record for record in public(stream.log, topics) if record.topic == topics.public("team")]
    send(address, topics, records[: len(records) // 2 + 1])
    run("export", "team", "--to", str(tmp_path))
    with closing(KafkaAdminClient(**address)) as admin:
        admin.delete_topics([topics.public("team")])
        # A topic that is still listed is not created again.
        wait_until(lambda: topics.public("team") not in admin.list_topics())
    send(address, topics, records)
    run("export", "team", "--to", str(tmp_path))
    assert positions(tmp_path / "team") == [record.position for record in records]


def positions(folder: Path) -> list[int]:
    """The positions in all files."""
    return [position for (position,) in ask(f"SELECT ce_sequence FROM '{folder}/*/*.parquet' ORDER BY 1")]


def ask(query: str) -> list[tuple[Any, ...]]:
    """Query DuckDB."""
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def test_a_folder_holds_one_topic(
    stream: Stream, topics: Topics, address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(address, topics, stream.records(topics))
    run("export", "team", "--to", str(tmp_path))
    (tmp_path / "team").rename(tmp_path / "user")
    result = CliRunner().invoke(app, ["export", "user", "--to", str(tmp_path)])
    assert isinstance(result.exception, SetupError)
    assert "into another folder" in str(result.exception)
