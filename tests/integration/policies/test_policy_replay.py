"""A policy is new once: replays and rebuilds of read models never call it, however long the log is."""

from uuid import UUID

from msgspec.structs import replace

from application.jobs import Job
from application.policy import Policy, Reaction, policy
from domain.content.document import Document
from infra.bootstrap.projections import prepare_tables
from infra.projector.rebuild.rebuild import rebuild
from projections.kernel import read_models
from tests.bench import ours
from tests.support.feeding import FromStore
from tests.support.projecting import MemoryFeed, news
from tests.support.reacting import create_job_table, jobs_in, reacting
from tests.support.servers import Database
from tests.support.stores import open_store, rows

DOCUMENTS, VERSIONS = 1_000, 100
# They are not read: a policy that read its past would find that they are no events.
FILL = """
INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
SELECT lpad(n::text, 32, '0')::uuid, 1, 'document.saved', '', n, now() FROM generate_series(1, %s) AS n
"""
REGISTRY: dict[str, Policy] = {}


class Review(Job, frozen=True, kw_only=True):
    """A job for each change of a document."""

    kind = "review"
    version: str

    @property
    def effect_key(self) -> str:
        return self.version


@policy(registry=REGISTRY)
def review(event: Document.Created | Document.Saved) -> list[Reaction]:
    """A job for each change."""
    return [Review(version=f"{event.originator_id}:{event.originator_version}")]


def history() -> MemoryFeed:
    """Documents with many versions each. They share their events, and differ in their ids."""
    document = ours.new_document("a title")
    for version in range(2, VERSIONS + 1):
        ours.retitle(document, f"title {version}")
    feed, events = MemoryFeed(), news(document)
    for number in range(1, DOCUMENTS + 1):
        feed.add(replace(event, stream_id=UUID(int=number)) for event in events)
    return feed


async def test_a_replay_of_a_hundred_thousand_events_causes_nothing(database: Database) -> None:
    create_job_table(database.admin_url)
    past = history()
    head = await past.head()
    rows(database.admin_url, FILL, head)
    await prepare_tables(database.app_url, read_models())
    async with open_store(database.app_url) as opened:
        log = FromStore(opened)
        async with reacting(log, REGISTRY["review"]) as running:
            for model in read_models():
                done = await rebuild(model, past, database.app_url)
                assert (done.position, done.quarantined) == (head, 0)
            assert (jobs_in(database.admin_url), await opened.feed().head()) == ({}, head)
            document = ours.new_document("one more")
            assert await log.append(document) == head + 1
            await running.reached()
    assert head == 100_000
    assert jobs_in(database.admin_url) == {f"{document.id}:1": 1}
