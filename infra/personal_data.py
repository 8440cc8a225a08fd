"""The register of all places that may hold personal data: how each is exported for a person, and how it is purged.

Each read model says so itself (`ReadModel.personal`), for its table and its entries in Redis.

Tests compare it with the tables of the database, the keys in Redis, and the words that people wrote: they fail for a
place that is not in it, or that holds words in clear and does not say so.
"""

from dataclasses import dataclass

from projections.kernel import read_models


@dataclass(frozen=True, slots=True)
class PersonalDataPlace:
    """A place with personal data. `clear`: its columns, or `*`, in which words of people are readable as stored."""

    content: str
    export: str
    purge: str
    clear: frozenset[str] = frozenset()


_NO_EXPORT = "not exported: it follows from the events"

TABLES = {
    "stored_events": PersonalDataPlace(
        "names, addresses, titles, texts, password hashes; sealed",
        "the events of the person's streams, unsealed",
        "erase_keys destroys the data key",
    ),
    "data_keys": PersonalDataPlace(
        "wrapped data keys",
        "not exported: keys are not data about a person",
        "erase_keys removes the key; autovacuum removes the dead row within its next round",
    ),
    "snapshots": PersonalDataPlace("states of aggregates; sealed", _NO_EXPORT, "erase_keys deletes the rows"),
    "idempotency": PersonalDataPlace("answers; sealed", _NO_EXPORT, "erase_keys deletes the rows; else 48 hours"),
    "claims": PersonalDataPlace("keyed hashes of addresses and slugs", _NO_EXPORT, "erase_keys deletes the rows"),
    **{
        f"read.{model.name}": PersonalDataPlace(
            model.personal.content, _NO_EXPORT, model.personal.purge, model.personal.clear
        )
        for model in read_models()
    },
}
"""Tables by name, those of read models with their schema."""

IMPERSONAL_TABLES = frozenset(
    {
        "append_lock",
        "cache_leases",
        "invalidate_lock",
        "invalidations",
        "keys",
        "migrations",
        "projection_partitions",
        "projection_quarantine",
        "projection_skips",
        "projections",
        "relays",
    }
)
"""Tables of positions, names and key ids of our own, and ids of streams; and tables that are always empty."""

REDIS_KEYS = {
    f"palimpsest:{model.cached.label}:": PersonalDataPlace(
        model.personal.content,
        _NO_EXPORT,
        "the cache updater deletes the entry with its row; any entry expires after an hour",
        frozenset({"*"}) if model.personal.clear else frozenset(),
    )
    for model in read_models()
    if model.cached is not None
}
"""Keys in Redis by their prefix."""

LEASE = "dropped through the lease of the process, before the answer"

MEMORY = {
    "infra.sealing.key_cache.KeyCache": PersonalDataPlace("data keys, for a minute", _NO_EXPORT, LEASE),
    "infra.projector.read_ahead.BufferedFeed": PersonalDataPlace("the last events, unsealed", _NO_EXPORT, LEASE),
    "infra.store.snapshots.Snapshots": PersonalDataPlace(
        "states of aggregates that wait to be written", _NO_EXPORT, LEASE
    ),
    "infra.projector.rebuild.bulk_load.BulkLoader": PersonalDataPlace(
        "rows of a rebuild, up to 128 MB", _NO_EXPORT, "the answer waits until they are written, without what is erased"
    ),
}
"""Classes whose instances keep personal data longer than one request or batch takes."""

FILES = {
    "postgres": PersonalDataPlace(
        "the tables above",
        _NO_EXPORT,
        "as the tables; bytes of deleted rows and of the write-ahead log stay until PostgreSQL reuses them",
        frozenset({"*"}),
    ),
    "redis": PersonalDataPlace(
        "settings only: our Redis writes no entry to disk, and doctor finds another that does",
        _NO_EXPORT,
        "nothing to purge",
    ),
    "*.log": PersonalDataPlace("ids of users and paths, no words of people", _NO_EXPORT, "by the log rotation"),
}
"""Files and folders in the data folder."""
