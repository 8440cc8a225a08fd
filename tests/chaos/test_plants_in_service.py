"""Every check is seen to catch faults of the service: they are planted into its parts while clients use it.

The same story runs without a fault, and then all checks hold.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from adapters.http.api import commands
from application.content import document as use_cases
from application.content.document import DocumentView
from application.idempotency import scope_of
from application.ports import CommandContext, Idempotency, StoredResponse, Unavailable
from domain.billing.subscription import MONTHLY_DOCUMENTS, Subscription
from domain.content.document import Document
from domain.kernel import Root
from infra.cache.updater import CacheUpdater
from infra.sealing.blind_index import BlindIndex
from infra.store.event_store import PostgresEventStore
from tests.chaos import invariants as checks
from tests.chaos.client import User
from tests.chaos.evidence import collect
from tests.chaos.house import House
from tests.chaos.invariants import FREE_DOCUMENTS
from tests.chaos.ledger import read
from tests.chaos.real import followed, needs_rebuilt, violated
from tests.chaos.run import customer, newcomer
from tests.chaos.story import Story
from tests.chaos.verdicts import Check
from tests.support.api import running_api
from tests.support.servers import Database
from tests.support.stores import open_store


def spoil_nothing(_: pytest.MonkeyPatch) -> None:
    """The story itself."""


def answer_another_key(patch: pytest.MonkeyPatch) -> None:
    earlier, answers = PostgresEventStore.stored_response, list[StoredResponse]()

    async def mixed(self: PostgresEventStore, key: bytes) -> StoredResponse | None:
        found = await earlier(self, key)
        if found is not None:
            answers.append(found)
            return replace(found, answer=answers[0].answer, position=answers[0].position)
        return None

    patch.setattr(PostgresEventStore, "stored_response", mixed)


def forget_keys(patch: pytest.MonkeyPatch) -> None:
    append = PostgresEventStore.append

    async def forgetful(
        self: PostgresEventStore,
        changes: Sequence[Root],
        call: CommandContext,
        _: Idempotency | None,
        judged_by: Mapping[UUID, int],
    ) -> int | StoredResponse:
        return await append(self, changes, call, None, judged_by)

    patch.setattr(PostgresEventStore, "append", forgetful)


def ignore_fingerprints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("application.bus.scope_of", lambda *of: replace(scope_of(*of), fingerprint=bytes(32)))


def allow_one_more(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(MONTHLY_DOCUMENTS, "free", FREE_DOCUMENTS + 1)


def count_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Subscription, "use", lambda *_, **__: None)


def ignore_if_match(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(commands, "precondition_of", lambda _: None)


def claim_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BlindIndex, "claim", lambda *_: os.urandom(32))


def say_nothing_was_done(patch: pytest.MonkeyPatch) -> None:
    append, written = PostgresEventStore.append, list[int]()

    async def deny(
        self: PostgresEventStore,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int],
    ) -> int | StoredResponse:
        done = await append(self, changes, call, idempotency, judged_by)
        if isinstance(done, int):
            written.append(done)
            if len(written) == 3:
                raise Unavailable("The database")
        return done

    patch.setattr(PostgresEventStore, "append", deny)


def never_answer(patch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int | StoredResponse:
        raise Unavailable("The database")

    patch.setattr(PostgresEventStore, "append", refuse)


def fail(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Document, "create", None)


def answer_something_else(patch: pytest.MonkeyPatch) -> None:
    view = use_cases.document_view
    patch.setattr(use_cases, "document_view", lambda document: replace(view(document), status="archived"))


def leave_stale_cache_entries(patch: pytest.MonkeyPatch) -> None:
    """A follower that says how far it has come, and writes nothing."""
    script = CacheUpdater._script
    patch.setattr(CacheUpdater, "_script", lambda self, state, to, as_of, _: script(self, state, to, as_of, {}))


def mix_up_the_cache(patch: pytest.MonkeyPatch) -> None:
    """A follower that writes entries of the right version with another content."""
    payload = CacheUpdater._payload

    def other(row: object) -> bytes:
        return payload(replace(row, content="another's") if isinstance(row, DocumentView) else row)

    patch.setattr(CacheUpdater, "_payload", staticmethod(other))


CAUGHT_BY: dict[Callable[[pytest.MonkeyPatch], None], set[Check]] = {
    spoil_nothing: set(),
    answer_another_key: {checks.a_key_has_one_effect_and_one_answer},
    forget_keys: {checks.a_key_has_one_effect_and_one_answer},
    ignore_fingerprints: {checks.a_key_has_one_effect_and_one_answer},
    allow_one_more: {checks.quotas_are_never_exceeded},
    count_nothing: {checks.quotas_are_never_exceeded},
    ignore_if_match: {checks.each_expected_version_has_one_winner},
    claim_anything: {checks.what_is_unique_has_one_holder},
    say_nothing_was_done: {checks.what_was_refused_is_not_in_the_log},
    never_answer: {checks.every_operation_came_to_an_end},
    fail: {checks.every_error_is_a_problem_and_none_is_ours},
    answer_something_else: {checks.acknowledged_answers_follow_from_the_log},
    leave_stale_cache_entries: {checks.reads_are_no_older_than_their_token},
    mix_up_the_cache: {checks.reads_show_what_the_log_says},
}
LAST = (never_answer, fail)
"""After these there is nothing to wait for."""


@pytest.mark.parametrize("plant", CAUGHT_BY, ids=lambda plant: plant.__name__)
def test_a_fault_in_the_service_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None],
    database: Database,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(tmp_path, database.app_url, database.admin_url, redis_url)
    people = asyncio.run(welcome(database))
    with running_api(database.app_url, redis_url) as api:
        plant(monkeypatch)
        asyncio.run(Story(api, *people, redis_url, 0.5 if plant in LAST else 20.0).tell(house.ledger))
        house.wait_for_projectors()
    monkeypatch.undo()
    urls, told = (database.app_url, database.admin_url), (read(house.ledger), followed(database))
    evidence = asyncio.run(collect(*urls, *told, rebuilding=needs_rebuilt(CAUGHT_BY[plant])))
    found = violated(evidence)
    assert CAUGHT_BY[plant] <= found
    assert CAUGHT_BY[plant] or not found


async def welcome(database: Database) -> tuple[User, User]:
    """A customer, and a newcomer on the free plan."""
    async with open_store(database.app_url) as opened:
        return await customer(opened, "plants"), await newcomer(opened, "newcomer")
