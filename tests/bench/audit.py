"""The audit tree: sealing a log that has got ahead, verifying a whole store, and proofs for single events."""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from time import perf_counter

from infra.audit import tables
from infra.audit.proving import proof_from, tiles_for_proof
from infra.audit.verification import verify
from infra.postgres.connect import connect
from infra.replay.certifying import certify
from projections.kernel import read_models
from tests.bench import ours
from tests.bench.fill import fill as fill_documents
from tests.bench.harness import Bench, Row, below, told
from tests.bench.project import VERSIONS
from tests.support.sealing import SIGNER, empty_tree, execute, fill, seal
from tests.support.servers import Database
from tests.support.stores import rows as rows_of

EVENTS = 1_000_000
EVENT_BYTES = 300
MICROSECONDS = 1e6 / 30_000
"""The limit for an event, sealed or verified: 30,000 a second."""
PROOF_MILLISECONDS = 10.0
CERTIFIED = 100_000
"""Events of documents that are certified; the time of a million is ten times theirs, as each event is read twice."""
MILLION = 1_000_000
CLIENTS, PROOFS = 4, 500
STORED_BYTES = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY['log_tiles', 'log_edges']) AS name"


def rows(bench: Bench) -> Iterator[Row]:
    """Each round seals and verifies the whole log again."""
    events = bench.count(EVENTS)
    sealing, verifying = list[float](), list[float]()
    with bench.database() as database:
        fill(database, events, bytes(EVENT_BYTES - 32))
        execute(database, "ANALYZE stored_events")
        for _ in range(bench.rounds):
            empty_tree(database)
            started = perf_counter()
            seal(database)
            sealing.append((perf_counter() - started) / events * 1e6)
            started = perf_counter()
            _verify(database)
            verifying.append((perf_counter() - started) / events * 1e6)
        yield below(f"audit: seal {events:,} events, catching up", "µs an event", sealing, MICROSECONDS)
        yield below(f"audit: verify a store of {events:,} events", "µs an event", verifying, MICROSECONDS)
        times = _prove(database, events, bench.count(PROOFS))
        name = f"audit: proof from the tables, {CLIENTS} clients, p95"
        yield below(name, "ms", [quantiles(times, n=20)[-1] * 1e3], PROOF_MILLISECONDS)
        [(stored,)] = rows_of(database.admin_url, STORED_BYTES)
        yield told("audit: tables of tiles and entries", "bytes an event", float(stored) / events)
    yield told("audit: certificate of a log of 1,000,000 events (scaled)", "s", _certify(bench))


def _certify(bench: Bench) -> float:
    """The seconds that the certificate of a million events takes, from those of fewer: root, then every read model."""
    documents = bench.count(CERTIFIED // VERSIONS)
    with bench.database() as database, ours.opened(database, "projector") as own:
        fill_documents(own.core, database.admin_url, documents, VERSIONS)
        seal(database)
        url = database.part_url("auditor")
        times = []
        for _ in range(bench.rounds):
            started = perf_counter()
            asyncio.run(certify(url, SIGNER, read_models(), None, lambda done, goal: None))
            times.append(perf_counter() - started)
    return median(times) * MILLION / (documents * VERSIONS)


def _verify(database: Database) -> None:
    with connect(database.part_url("auditor")) as connection:
        verify(connection, SIGNER.key, lambda done, goal: None)


def _prove(database: Database, events: int, proofs: int) -> list[float]:
    """The seconds that each proof took, of all clients."""

    def client(number: int) -> list[float]:
        chance, times = random.Random(number), list[float]()
        with connect(database.part_url("auditor"), autocommit=True) as connection:
            for _ in range(proofs):
                index = chance.randrange(events)
                started = perf_counter()
                last = tables.last_checkpoint(connection)
                assert last is not None
                proof_from(tables.tiles(connection, tiles_for_proof(index, last.size)), index, last.note)
                times.append(perf_counter() - started)
        return times

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [each for times in pool.map(client, range(CLIENTS)) for each in times]
