"""Generations: lists for their askers, and what models wrote in a document. Only this file writes the table."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.ports import Actor, ReadStore, RecordedEvent
from domain.generation.events import DraftReason, Failure
from domain.generation.generation import RUNNING_TIME, UNCOUNTED, WAITING_TIME, Generation, Result, Status
from domain.generation.placement import Target
from domain.generation.sources import SourceDocument
from domain.kernel import PartyKind
from projections.columns import columns_of, new_row
from projections.content.document import document
from projections.kernel import Change, PersonalData, ReadModel, Row, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor, read_moment
from projections.visibility import ASKED, ROLE_MODELS, own_documents, shared_documents, team_documents


@dataclass(frozen=True, slots=True)
class GenerationSummary:
    """A generation without its texts. Costs are micro-dollars. `draft_reason`: why the text is a draft.

    `stand_in`: the cheaper model that is asked instead of `model`, as the soft budget is used up. `latest_at`: when the
    text is there at the latest, or given up, if it is for a batch.
    """

    id: UUID
    document_id: UUID
    payer_kind: PartyKind
    payer_id: UUID
    status: Status
    result: Result | None
    draft_reason: DraftReason | None
    failure: Failure | None
    model: str
    stand_in: str | None
    latest_at: datetime | None
    target: Target
    variants: int
    attempt: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GeneratedPassage:
    """A text that a model wrote: the characters from `start` to `end` of the content of `version`, as it was saved.

    `is_sandbox`: no model wrote it, but a stand-in for one. `sources`: the documents that it has drawn on, without
    those that the reader may not read now.
    """

    generation_id: UUID
    asker_id: UUID
    model: str
    is_sandbox: bool
    version: int
    start: int
    end: int
    at: datetime
    sources: list[SourceDocument]


class Generations(ReadModel):
    """All generations but erased ones. `uncounted_requests`: those to the provider that were charged by our own count,
    each as the attempt, of several variants with a dash and the variant.
    """

    version = 5
    roots = (Generation,)
    personal = PersonalData(
        "who has asked for how much text, and when", "the event generation.erased drops the row; it has ids and amounts"
    )
    table = Table(
        "generation",
        key={"id": "uuid"},
        columns={
            "document_id": "uuid NOT NULL",
            "asker_id": "uuid NOT NULL",
            "payer_kind": "text NOT NULL",
            "payer_id": "uuid NOT NULL",
            "status": "text NOT NULL",
            "result": "text",
            "draft_reason": "text",
            "failure": "text",
            "model": "text NOT NULL",
            "stand_in": "text",
            "own_key": "boolean NOT NULL",
            "latest_at": "timestamptz",
            "batch_id": "uuid",
            "in_batch": "boolean NOT NULL",
            "answered_by": "text",
            "is_sandbox": "boolean NOT NULL",
            "target": "text NOT NULL",
            "variants": "bigint NOT NULL",
            "source_ids": "uuid[]",
            "source_versions": "bigint[]",
            "attempt": "bigint NOT NULL",
            "input_tokens": "bigint NOT NULL",
            "output_tokens": "bigint NOT NULL",
            "cost_micros": "bigint NOT NULL",
            "uncounted_requests": "text[] NOT NULL",
            "revision": "bigint",
            "start_at": "bigint",
            "end_at": "bigint",
            "written_at": "timestamptz",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
        },
        indexes=[
            "(asker_id, created_at, id)",
            "(document_id) WHERE revision IS NOT NULL",
            "(document_id)",
            "(status, updated_at) WHERE status IN ('queued', 'running')",
            "(updated_at) WHERE uncounted_requests <> '{}'",
            "(created_at) WHERE status = 'queued' AND latest_at IS NOT NULL AND NOT in_batch",
            "(updated_at) WHERE batch_id IS NOT NULL",
            "(id) WHERE in_batch",
        ],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Generation.Requested():
                yield _requested(self.table, event)
            case Generation.AttemptStarted() as started:
                yield self._set(event, **_started(started))
            case Generation.AttemptEnded() as ended:
                yield self._set(event, status=_waiting_again, in_batch=False, **_paid(ended), **_uncounted(ended))
            case Generation.Answered() as answered:
                result = "draft" if answered.revision is None else "written"
                said = {"result": result, "draft_reason": answered.draft_reason, "answered_by": answered.model}
                paid = {"in_batch": False, "is_sandbox": answered.is_sandbox, **_paid(answered), **_uncounted(answered)}
                yield self._set(event, status="done", **said, **_written(answered, event), **paid)
            case Generation.VariantsAnswered(models=models) as answered:
                said = {"result": "draft", "draft_reason": "asked", "answered_by": next(filter(None, models))}
                paid = {"in_batch": False, "is_sandbox": answered.is_sandbox, **_paid(answered), **_uncounted(answered)}
                yield self._set(event, status="done", **said, **paid)
            case Generation.DraftAccepted() as accepted:
                said = {} if accepted.model is None else {"answered_by": accepted.model}
                yield self._set(event, result="written", **said, **_written(accepted, event))
            case Generation.DraftDiscarded():
                yield self._set(event, result="discarded")
            case Generation.Failed() | Generation.GivenUp() | Generation.Cancelled() as ended:
                yield self._set(event, **_ended(ended))
            case Generation.StandInChosen(model=model):
                yield self._set(event, stand_in=model)
            case Generation.OwnKeyChosen():
                yield self._set(event, own_key=True)
            case Generation.RequestedAgain(payer_kind=kind, payer_id=payer_id, latest_at=latest_at):
                nothing = dict.fromkeys(("failure", "result", "draft_reason", "stand_in"))
                again = {"payer_kind": kind, "payer_id": payer_id, "latest_at": latest_at, "own_key": False}
                yield self._set(event, status="queued", **again, **nothing)
            case Generation.Erased():
                yield self.table.drop(event.stream_id)

    def _set(self, event: RecordedEvent, **values: object) -> Change:
        return self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


def _requested(table: Table, event: RecordedEvent) -> Change:
    later = ("result", "draft_reason", "failure", "stand_in", "answered_by", "batch_id")
    nothing = dict.fromkeys((*later, "revision", "start_at", "end_at", "written_at"))
    zeros = dict.fromkeys(("attempt", "input_tokens", "output_tokens", "cost_micros"), 0)
    asked = event.data
    assert isinstance(asked, Generation.Requested)
    source_ids = None if asked.source_documents is None else [UUID(id) for id in asked.source_documents]
    own = {"in_batch": False, "is_sandbox": False, "source_ids": source_ids, "uncounted_requests": []}
    return new_row(table, event, status="queued", **own, **nothing, **zeros)


def _started(event: Generation.AttemptStarted) -> dict[str, object]:
    if event.batch_id is None:
        return {"status": "running", "attempt": event.attempt}
    return {"status": "queued", "attempt": event.attempt, "batch_id": event.batch_id, "in_batch": True}


def _ended(event: Generation.Failed | Generation.GivenUp | Generation.Cancelled) -> dict[str, object]:
    match event:
        case Generation.Failed(failure=failure):
            return {"status": "failed", "failure": failure}
        case Generation.GivenUp(failure=failure):
            return {"status": "dead", "failure": failure}
    return {"status": "cancelled", "failure": "cancelled"}


def _written(event: Generation.Answered | Generation.DraftAccepted, recorded: RecordedEvent) -> dict[str, object]:
    at = None if event.revision is None else moment_of(recorded)
    return {"revision": event.revision, "start_at": event.start, "end_at": event.end, "written_at": at}


def _paid(event: Generation.Answered | Generation.VariantsAnswered | Generation.AttemptEnded) -> dict[str, object]:
    return {
        "input_tokens": lambda row: _more(row, "input_tokens", event.input_tokens),
        "output_tokens": lambda row: _more(row, "output_tokens", event.output_tokens),
        "cost_micros": lambda row: _more(row, "cost_micros", event.cost_micros),
    }


def _uncounted(event: Generation.Answered | Generation.VariantsAnswered | Generation.AttemptEnded) -> dict[str, object]:
    """Return the column of requests that only we have counted. Events of before they named them mean all variants."""
    variants = event.uncounted
    is_lost = isinstance(event, Generation.AttemptEnded) and event.failure in UNCOUNTED and event.input_tokens
    if variants is None and not is_lost:
        return {}

    def requests(row: Row) -> list[str]:
        named = range(1, row["variants"] + 1) if variants is None else variants
        names = [f"{event.attempt}" if row["variants"] == 1 else f"{event.attempt}-{each}" for each in named]
        return [*row["uncounted_requests"], *names]

    return {"uncounted_requests": requests}


def _waiting_again(row: Row) -> object:
    return "queued" if row["status"] == "running" else row["status"]


def _more(row: Row, column: str, amount: int) -> int:
    before: int = row[column]
    return before + amount


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    at: str
    id: UUID


PAGE = f"""
SELECT {columns_of(GenerationSummary, "g")} FROM read.generation g WHERE {ASKED}
AND g.status = coalesce(%(status)s, g.status) AND g.document_id = coalesce(%(document_id)s, g.document_id)
AND (g.created_at, g.id) < (coalesce(%(at)s, 'infinity'::timestamptz), coalesce(%(id)s, g.id))
ORDER BY g.created_at DESC, g.id DESC LIMIT %(limit)s
"""  # noqa: S608 - columns of our own view
PASSAGES = """
SELECT id AS generation_id, asker_id, answered_by AS model, is_sandbox, revision AS version, start_at AS start,
    end_at AS "end", written_at AS at,
    coalesce(source_ids, '{}') AS source_ids, coalesce(source_versions, '{}') AS source_versions
FROM read.generation WHERE document_id = %s AND revision IS NOT NULL ORDER BY revision, start_at
"""
IS_SOURCE = "d.id = ANY(%(ids)s)"
READABLE = f"""
{own_documents("d.id", IS_SOURCE)} UNION {team_documents("d.id", IS_SOURCE)} UNION {shared_documents("d.id", IS_SOURCE)}
"""
UNCOUNTED_GENERATIONS = """
SELECT id, coalesce(answered_by, stand_in, model) AS model, uncounted_requests AS requests, cost_micros, updated_at
FROM read.generation WHERE uncounted_requests <> '{}' ORDER BY updated_at DESC LIMIT %s
"""
LOST = """
SELECT id FROM read.generation
WHERE (status = 'running' AND updated_at < %s)
OR (status = 'queued' AND (latest_at < %s OR (latest_at IS NULL AND updated_at < %s)))
"""


@reads(Generations)
async def generations(
    rows: ReadStore,
    actor: Actor,
    *,
    status: Status | None = None,
    document_id: UUID | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[GenerationSummary]:
    """Return what the actor has asked for, the latest first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    after = None if cursor is None else read_cursor(cursor, _Cursor)
    before = (None, None) if after is None else (read_moment(after.at), after.id)
    wanted = {"user_id": actor.user_id, "status": status, "document_id": document_id}
    params = {**wanted, "at": before[0], "id": before[1], "limit": size + 1}
    found = await rows.all(GenerationSummary, PAGE, params)
    return page_of(found, size, lambda last: _Cursor(str(last.created_at), last.id))


@reads(Generations, "document", *ROLE_MODELS)
async def generated_passages(
    rows: ReadStore, actor: Actor, document_id: UUID
) -> ReadResult[list[GeneratedPassage]] | None:
    """Return the passages of a document that models wrote; None: the document does not exist for the actor."""
    read = await document(rows, actor, document_id)
    if read is None:
        return None
    passages = await rows.all(_WrittenPassage, PASSAGES, [document_id])
    readable = await _readable(rows, actor, {id for passage in passages for id in passage.source_ids})
    return ReadResult([passage.shown(readable) for passage in passages], read.causes)


@reads("document", *ROLE_MODELS)
async def _readable(rows: ReadStore, actor: Actor, document_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the documents that the actor may read."""
    if not document_ids:
        return set()
    params = {"user_id": actor.user_id, "address_id": actor.address_id, "ids": [*document_ids]}
    return {found.id for found in await rows.all(_ReadableDocument, READABLE, params)}


@dataclass(frozen=True, slots=True)
class _ReadableDocument:
    id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class _WrittenPassage:
    generation_id: UUID
    asker_id: UUID
    model: str
    is_sandbox: bool
    version: int
    start: int
    end: int
    at: datetime
    source_ids: list[UUID]
    source_versions: list[int]

    def shown(self, readable: Collection[UUID]) -> GeneratedPassage:
        """Return the passage with the sources among these documents."""
        sources = [SourceDocument(*each) for each in zip(self.source_ids, self.source_versions, strict=True)]
        return GeneratedPassage(
            generation_id=self.generation_id,
            asker_id=self.asker_id,
            model=self.model,
            is_sandbox=self.is_sandbox,
            version=self.version,
            start=self.start,
            end=self.end,
            at=self.at,
            sources=[source for source in sources if source.document_id in readable],
        )


@dataclass(frozen=True, slots=True)
class UncountedGeneration:
    """A generation with requests that were charged by our own count. `cost_micros`: of all attempts."""

    id: UUID
    model: str
    requests: list[str]
    cost_micros: int
    updated_at: datetime


@reads(Generations)
async def uncounted_generations(rows: ReadStore, limit: int) -> list[UncountedGeneration]:
    """Return the latest generations with requests of which the provider's count never came, for operators."""
    return await rows.all(UncountedGeneration, UNCOUNTED_GENERATIONS, [limit])


@dataclass(frozen=True, slots=True)
class LostGeneration:
    """A generation that no worker has ended in time."""

    id: UUID


@reads(Generations)
async def lost_generations(rows: ReadStore, now: datetime) -> list[UUID]:
    """Return the generations that are not worth waiting for; see `UnfinishedGenerations`."""
    found = await rows.all(LostGeneration, LOST, [now - RUNNING_TIME, now, now - WAITING_TIME])
    return [each.id for each in found]


class ReadUnfinishedGenerations:
    """Implements `application.ports.UnfinishedGenerations`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def lost(self, now: datetime) -> list[UUID]:
        """See `UnfinishedGenerations`."""
        return await lost_generations(self._rows, now)
