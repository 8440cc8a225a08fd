"""`palimpsest keys rotate` on 100,000 data keys and snapshots, while clients read and write: no request may fail."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import perf_counter
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from domain.billing.subscription import Subscription
from domain.kernel import Party
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.settings.keys import KEYS_FILE
from tests.bench import http, ours, processes
from tests.bench.clients import Job, Result, request, run
from tests.bench.fill import KEY_TYPES, KEYS, fill
from tests.bench.harness import Bench, Row, below, told
from tests.support.accounts import plain_session
from tests.support.servers import Database, open_folder, own_redis

DATA_KEYS, SNAPSHOTS, DOCUMENTS = 100_000, 100_000, 2_000
"""All data keys, snapshots under the store key, and the documents among the subjects that clients read."""
CLIENTS = 8
READS = 20
"""Documents that a client reads for each one that it writes."""
ADD_SNAPSHOTS = """
INSERT INTO snapshots
SELECT gen_random_uuid(), 1, 'document', '\\x01'::bytea || %s || decode(repeat(md5(n::text), 128), 'hex')
FROM generate_series(1, %s) AS n
"""
FROM_FILE = {"PALIMPSEST_KEYS": ""}
"""Keys are taken from the file in the data folder."""


def rows(bench: Bench) -> Iterator[Row]:
    """The duration of two rotations, and what became of the requests meanwhile."""
    with open_folder() as folder, _open_services(bench, folder) as (database, port, requests):
        seconds = 60 + bench.seconds(90)
        results: list[Result] = []
        load = Thread(target=lambda: results.append(run(Job(port, requests, seconds))))
        load.start()
        rewrapping = _rotate(database, folder, "key-encryption")
        stamping = _rotate(database, folder, "store")
        load.join()
    keys, snapshots, limit = bench.count(DATA_KEYS), bench.count(SNAPSHOTS), seconds / 2
    yield below(f"rotate the key of {keys:,} data keys under load", "s", [rewrapping], limit)
    yield below(f"rotate the store key, with {snapshots:,} snapshots, under load", "s", [stamping], limit)
    yield below("requests during the rotations: failures", "requests", [results[0].failures], 1)
    yield told("requests during the rotations", http.UNIT, results[0].rate)
    yield from http.latencies("requests during the rotations", results[0])


def _rotate(database: Database, folder: Path, kind: str) -> float:
    command = [sys.executable, "-m", "infra.cli.main", "keys", "rotate", kind]
    admin = {"DATABASE_ADMIN_URL": database.admin_url, "PALIMPSEST_DATA_DIR": str(folder)}
    started = perf_counter()
    subprocess.run(
        command, env={**os.environ, **ours.environment(database), **admin, **FROM_FILE}, check=True, capture_output=True
    )
    return perf_counter() - started


@contextmanager
def _open_services(bench: Bench, folder: Path) -> Iterator[tuple[Database, int, http.Requests]]:
    """The API and the projector on many documents; its port, and the requests of each client."""
    file = folder / KEYS_FILE
    file.write_text(ours.SECRETS["PALIMPSEST_KEYS"])
    file.chmod(0o600)
    with bench.database() as database, ours.opened(database) as own, own_redis() as redis:
        documents = fill(own.core, database.admin_url, bench.count(DOCUMENTS), 1)
        _mint(own.core, database.admin_url, bench.count(DATA_KEYS) - len(documents))
        _add_snapshots(database.admin_url, own.core.keyring.stamps.tag, bench.count(SNAPSHOTS))
        own(_subscribe)
        session_id = own(_session)
        token = ours.tokens_for(ours.settings_for(database)).issue(ours.OWNER.user_id, session_id)
        with (
            processes.api(database, folder, redis.url, **FROM_FILE) as api,
            processes.role("projector", database, folder, redis.url, **FROM_FILE),
        ):
            processes.wait_for_projector(database)
            yield database, api.port, _requests(token, [document.id for document in documents])


async def _session(core: WriteSide) -> UUID:
    """A session of the owner."""
    return await plain_session(core.database, ours.OWNER.user_id)


def _requests(token: str, ids: list[UUID]) -> http.Requests:
    """For each client requests that read documents picked at random, and write one now and then."""
    picks = random.Random(1)
    write = request("POST", http.DOCUMENTS, http.BODY, Authorization=f"Bearer {token}")
    requests: http.Requests = []
    for _ in range(CLIENTS):
        paths = [f"{http.DOCUMENTS}/{id}/versions/1" for id in picks.choices(ids, k=1_000)]
        reads = [request("GET", path, Authorization=f"Bearer {token}") for path in paths]
        requests.append(
            [each for n, read in enumerate(reads) for each in ([read, write] if n % READS == 0 else [read])]
        )
    return requests


def _mint(core: WriteSide, admin_url: str, number: int) -> None:
    """Store data keys of subjects without events."""
    with psycopg.connect(admin_url) as connection, connection.cursor().copy(KEYS) as copy:
        copy.set_types(KEY_TYPES)
        for _ in range(number):
            _, minted = core.keyring.mint(uuid7())
            copy.write_row((minted.subject_id, minted.wrapped, minted.kek_id))


def _add_snapshots(admin_url: str, tag: bytes, number: int) -> None:
    """Store bytes of 2 KB with the tag of the store key, as snapshots of streams without events."""
    with psycopg.connect(admin_url) as connection:
        connection.execute(ADD_SNAPSHOTS, [tag, number])


async def _subscribe(core: WriteSide) -> None:
    """Let the owner of all documents write more than on the free plan."""
    now = utc_now()
    subscription = Subscription.start(payer=Party("user", ours.OWNER.user_id), now=now)
    subscription.change_plan(plan="enterprise", now=now)
    await core.store.append([subscription], ours.CALL, None)
