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
        "erase_keys removes the key; its bytes stay in the file of the table until PostgreSQL reuses them",
    ),
    "snapshots": PersonalDataPlace("states of aggregates; sealed", _NO_EXPORT, "erase_keys deletes the rows"),
    "idempotency": PersonalDataPlace("answers; sealed", _NO_EXPORT, "erase_keys deletes the rows; else 48 hours"),
    "jobs.procrastinate_jobs": PersonalDataPlace(
        "fields of waiting and dead jobs; sealed. Ids of who pays for them, and of whom they are about",
        "not exported: an address that a person gave is in the events once the job is done",
        "erase_keys destroys the fields and ends the job; else they go with the end of the job, those of a dead job "
        "when it is discarded, at the latest after a week",
    ),
    "security_log": PersonalDataPlace(
        "addresses and programs of clients, sealed; keyed hashes of networks, another one each day",
        "the entries of the person, unsealed, as GET /v1/users/me/security-log lists them",
        "erase_keys destroys the data key and deletes the rows; else partitions are dropped after 400 days",
    ),
    "recent_documents": PersonalDataPlace(
        "ids of users and of documents that they have viewed, with times",
        "the list of the person, as GET /v1/recent-documents shows it",
        "erase_keys deletes the rows; else 90 days after the view, or when there are 100 later ones",
    ),
    "partial_texts": PersonalDataPlace(
        "texts that are being written; sealed",
        "not exported: a text that is done is in the events",
        "erase_keys destroys the data key and deletes the rows; else the end of the generation, at the latest a day",
    ),
    "claims": PersonalDataPlace("keyed hashes of addresses and slugs", _NO_EXPORT, "erase_keys deletes the rows"),
    "sessions": PersonalDataPlace(
        "IP addresses and user agents; sealed. Keyed hashes of addresses and devices",
        "by the list of sessions, as long as they are not over",
        "erase_keys destroys the data key and deletes the hashes; else the month is dropped after 90 days",
    ),
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
        "enqueue_lock",
        "invalidate_lock",
        "invalidations",
        "jobs.job_errors",
        "jobs.procrastinate_events",
        "jobs.procrastinate_periodic_defers",
        "jobs.procrastinate_workers",
        "jobs.resources",
        "jobs.schedules",
        "jobs.worker_queues",
        "keys",
        "log_checkpoints",
        "log_cosignatures",
        "log_edges",
        "log_tiles",
        "log_witnesses",
        "migrations",
        "policies",
        "policy_partitions",
        "policy_quarantine",
        "policy_skips",
        "policy_states",
        "projection_partitions",
        "projection_quarantine",
        "projection_skips",
        "projections",
        "relays",
        "security_log_lock",
        "session_cuts",
        "siem_checkpoint",
    }
)
"""Tables of positions, names, times, states, key ids of our own, ids of streams, hashes of stored bytes; and tables
that are always empty."""

REDIS_KEYS = {
    f"palimpsest:{model.cached.label}:": PersonalDataPlace(
        model.personal.content,
        _NO_EXPORT,
        "the cache updater deletes the entry with its row; any entry expires after an hour",
        frozenset({"*"}) if model.personal.clear else frozenset(),
    )
    for model in read_models()
    if model.cached is not None
} | {
    "palimpsest:limits:": PersonalDataPlace(
        "times, under keyed hashes of network addresses, addresses of accounts, and ids of users",
        "not exported: counts of the last hours",
        "the entry expires, after six hours at most",
    )
}
"""Keys in Redis by their prefix."""

LEASE = "dropped through the lease of the process, before the answer"

MEMORY = {
    "adapters.provider.sandbox_batches.SandboxBatches": PersonalDataPlace(
        "prompts and answers of batches, only where there is no key of a provider",
        _NO_EXPORT,
        "the worker deletes the files of a batch when it has ended, within two minutes",
    ),
    "application.generation.answering.Answering": PersonalDataPlace(
        "a text that is being written, for eleven minutes at most",
        _NO_EXPORT,
        "the worker looks each second whether the generation is erased, and stops",
    ),
    "infra.sealing.key_cache.KeyCache": PersonalDataPlace("data keys, for a minute", _NO_EXPORT, LEASE),
    "infra.projector.read_ahead.BufferedFeed": PersonalDataPlace("the last events, unsealed", _NO_EXPORT, LEASE),
    "infra.store.snapshots.Snapshots": PersonalDataPlace(
        "states of aggregates that wait to be written", _NO_EXPORT, LEASE
    ),
    "infra.limits.local_limits.LocalLimits": PersonalDataPlace(
        "times, by network address, id of a user, or keyed hash of an account's address",
        "not exported: counts of the last hours",
        "an entry is removed some time after it is empty, at the latest when there are 100,000 others",
    ),
    "infra.sessions.live_sessions.CachedLiveSessions": PersonalDataPlace(
        "ids of users and of their addresses", _NO_EXPORT, LEASE
    ),
    "infra.projector.rebuild.bulk_load.BulkLoader": PersonalDataPlace(
        "rows of a rebuild, up to 128 MB", _NO_EXPORT, "the answer waits until they are written, without what is erased"
    ),
    "infra.recent_documents.postgres_recent_documents.PostgresRecentDocuments": PersonalDataPlace(
        "ids of users and of documents that they have viewed within a minute",
        _NO_EXPORT,
        "a minute after the view, with the next one of another; the database takes no view of an erased user",
    ),
    "infra.security_log.postgres_security_log.PostgresSecurityLog": PersonalDataPlace(
        "entries that wait to be written, or are counted for a minute",
        _NO_EXPORT,
        "a key that is gone seals nothing, and the database takes no entry about an erased user",
    ),
}
"""Classes whose instances keep personal data longer than one request or batch takes."""

FILES = {
    "postgres": PersonalDataPlace(
        "the tables above; and those of a replay with personal fields (`palimpsest audit replay --unseal`)",
        _NO_EXPORT,
        "as the tables, and an answer waits until such a replay is dropped. Statistics have no column with words. "
        "Bytes of deleted rows stay until PostgreSQL reuses them, or VACUUM FULL and CHECKPOINT are run. The "
        "write-ahead log has the words that read models show, and wrapped keys, until its segments are reused, "
        "and no other words",
        frozenset({"*"}),
    ),
    "redis": PersonalDataPlace(
        "settings only: our Redis writes no entry to disk, and doctor finds another that does",
        _NO_EXPORT,
        "nothing to purge",
    ),
    "mail": PersonalDataPlace(
        "mails with addresses, names and links, where no mail server is set",
        "not exported: copies of what the person received",
        "a job removes those to an erased user or address, and about an erased team; else the next mail removes those "
        "older than a day",
        frozenset({"*"}),
    ),
    "files": PersonalDataPlace(
        "what is stored through the port Files, here or in a bucket: the list of erasures, with ids and times",
        "not exported: it says which ids were erased, and when",
        "never: it must outlive each backup of the database",
        frozenset({"*"}),
    ),
    "*.log": PersonalDataPlace("ids of users and paths, no words of people", _NO_EXPORT, "by the log rotation"),
}
"""Files and folders in the data folder."""
