"""Replay certificates: which rows follow from a history, for anybody who has its log."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator

import pytest

from application.ports import NotSealedYet
from infra.audit.continuity import HistoryRefused
from infra.replay import certifying, stream_order
from infra.replay.certificate import Certificate
from infra.replay.certifying import CertificateRefused, certify, check
from projections.kernel import read_models
from tests.support.replaying import copy_log, digests_of, lengthened, lived, replace_in_event
from tests.support.sealing import SIGNER, execute, seal
from tests.support.servers import PROJECT, Cluster, Database
from tests.support.stores import rows


def quiet(done: int, goal: int) -> None:
    """Progress that is not shown."""


async def certified(database: Database, position: int | None = None) -> Certificate:
    note = await certify(database.part_url("auditor"), SIGNER, read_models(), position, quiet)
    return Certificate.open(note, SIGNER.key)


async def checked(database: Database, certificate: Certificate) -> None:
    await check(database.part_url("auditor"), SIGNER.key, certificate, read_models(), quiet)


@pytest.fixture(scope="module")
def history(cluster: Cluster) -> Iterator[Database]:
    """A sealed log with the events of all aggregates, to be copied."""
    with cluster.database() as database:
        asyncio.run(lived(database))
        seal(database)
        yield database


@pytest.fixture
def sealed(cluster: Cluster, history: Database) -> Iterator[Database]:
    """A copy of that log, of the test's own."""
    with cluster.database(history.name) as database:
        yield database


async def test_a_certificate_holds_for_its_own_log_whatever_is_appended(sealed: Database) -> None:
    whole = await certified(sealed)
    assert whole.position == seal(sealed)
    assert [table.name for table in whole.tables] == [model.name for model in read_models()]
    assert not sum(table.quarantined for table in whole.tables)
    early = await certified(sealed, 100)
    assert (early.position, early.root != whole.root) == (100, True)
    assert early.tables != whole.tables
    await lengthened(sealed)
    seal(sealed)
    await checked(sealed, whole)
    await checked(sealed, early)
    assert await certified(sealed, whole.position) == whole


async def test_an_erasure_changes_no_certificate(sealed: Database) -> None:
    certificate = await certified(sealed)
    assert rows(sealed.admin_url, "SELECT FROM data_keys")
    execute(sealed, "TRUNCATE data_keys, snapshots, claims")
    await checked(sealed, certificate)
    assert await certified(sealed) == certificate


async def test_another_database_with_the_same_log_gives_the_same(sealed: Database, cluster: Cluster) -> None:
    certificate = await certified(sealed)
    with cluster.database() as other:
        copy_log(sealed, other)
        seal(other)
        await checked(other, certificate)
        execute(other, "VACUUM FULL stored_events")
        assert await certified(other) == certificate


@pytest.mark.parametrize("page", [1, 7])
async def test_the_size_of_pages_decides_nothing(sealed: Database, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    before = await digests_of(sealed, 200)
    monkeypatch.setattr(stream_order, "PAGE_EVENTS", page)
    assert await digests_of(sealed, 200) == before


async def test_only_sealed_events_are_certified(sealed: Database) -> None:
    last = seal(sealed)
    await lengthened(sealed)
    with pytest.raises(NotSealedYet, match=f"{last} events are sealed"):
        await certified(sealed, last + 1)
    assert (await certified(sealed)).position == last


async def test_nothing_is_certified_of_an_empty_log(database: Database) -> None:
    with pytest.raises(NotSealedYet, match="0 events are sealed"):
        await certified(database)


SHARE = ("document.shared", b"editor", b"viewer")


def without_history(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(certifying, "require_history", lambda *_: None)


def without_tables(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(certifying, "require_tables", lambda *_: None)


async def test_a_changed_event_is_found_in_the_history(sealed: Database) -> None:
    certificate = await certified(sealed)
    replace_in_event(sealed, *SHARE)
    with pytest.raises(HistoryRefused, match="does not continue"):
        await checked(sealed, certificate)
    with pytest.raises(HistoryRefused, match="does not continue"):
        await certified(sealed)


async def test_a_changed_event_is_found_in_the_tables(sealed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = await certified(sealed)
    replace_in_event(sealed, *SHARE)
    without_history(monkeypatch)
    with pytest.raises(CertificateRefused, match=r"^document_access: version 1, \d+ rows, digest"):
        await checked(sealed, certificate)


async def test_without_both_checks_a_changed_event_is_not_found(
    sealed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = await certified(sealed)
    replace_in_event(sealed, *SHARE)
    without_history(monkeypatch)
    without_tables(monkeypatch)
    await checked(sealed, certificate)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM stored_events WHERE notification_id = 7",
        "UPDATE stored_events SET notification_id = 9999 WHERE notification_id = 7",
        "UPDATE stored_events SET recorded_at = recorded_at + interval '1 second' WHERE notification_id = 7",
        "UPDATE stored_events SET recorded_at = '0001-01-01 BC' WHERE notification_id = 7",
        "UPDATE stored_events SET topic = 'user.erased' WHERE notification_id = 7",
        "UPDATE stored_events SET originator_version = 900 WHERE notification_id = 7",
    ],
)
async def test_any_change_of_the_log_is_found(sealed: Database, statement: str) -> None:
    certificate = await certified(sealed)
    execute(sealed, statement)
    with pytest.raises(HistoryRefused):
        await checked(sealed, certificate)


async def test_a_history_that_was_signed_anew_is_not_the_certified_one(sealed: Database) -> None:
    certificate = await certified(sealed)
    replace_in_event(sealed, *SHARE)
    execute(sealed, "TRUNCATE log_tiles, log_edges, log_checkpoints")
    seal(sealed)
    with pytest.raises(CertificateRefused, match="is not the one of the certificate: the roots"):
        await checked(sealed, certificate)


async def test_other_code_is_named_where_a_table_differs(sealed: Database) -> None:
    certificate = await certified(sealed)
    other = certificate._replace(code=certificate.code._replace(release="9.9", digest=bytes(32)))
    await checked(sealed, other)
    [first, *rest] = certificate.tables
    wrong = (first._replace(rows=first.rows + 1), *rest)
    with pytest.raises(CertificateRefused, match=r"made with release 9\.9") as refused:
        await checked(sealed, other._replace(tables=wrong))
    assert str(refused.value).startswith(f"{first.name}: version")
    with pytest.raises(CertificateRefused) as refused:
        await checked(sealed, certificate._replace(tables=wrong))
    assert "release" not in str(refused.value)


FOLD = """
import asyncio, sys
from application.discovery import import_all
from infra.replay.digest_fold import digests
from projections.kernel import read_models
import_all("application")
for table in asyncio.run(digests(sys.argv[1], read_models(), int(sys.argv[2]))):
    print(table.name, table.rows, table.digest.hex())
"""


@pytest.mark.parametrize("seed", ["1", "2"])
async def test_another_process_gives_the_same_in_any_zone_and_language(sealed: Database, seed: str) -> None:
    """Nothing in a read model depends on the order of a set, the zone, the language or the settings of its process."""
    last = seal(sealed)
    environment = {"PYTHONHASHSEED": seed, "TZ": "Pacific/Apia", "LC_ALL": "C", "PATH": os.environ["PATH"]}
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOLD, sealed.part_url("auditor"), str(last), env=environment, cwd=PROJECT, stdout=PIPE
    )
    output, _ = await program.communicate()
    here = await digests_of(sealed, last)
    assert output.decode().splitlines() == [f"{name} {each.rows} {each.digest.hex()}" for name, each in here.items()]
