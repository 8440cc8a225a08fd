"""Dependencies of the HTTP adapter, given by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from adapters.fair_queue import FairTurns
from adapters.http.api.body_budget import BodyBudget
from adapters.http.api.compression import Compressor
from adapters.http.api.cookies import CsrfTokens
from adapters.http.api.limits import RequestLimits
from adapters.http.api.markdown import MarkdownRenderer
from adapters.http.api.tokens import Tokens
from adapters.integration_events.asyncapi import LOCAL, Broker
from adapters.realtime.hub import EventHub
from application.commands import Command, CommandResult
from application.ports import (
    AuditTrail,
    Challenges,
    Clock,
    CommandContext,
    EventStore,
    JobQueue,
    LiveSessions,
    Models,
    NewId,
    PartialTexts,
    Positions,
    ReadStore,
    RecentDocuments,
    RefreshTokens,
    SealedLog,
    SecurityLog,
    Sessions,
    TextSignals,
)

R = TypeVar("R")

MAX_COMPUTATIONS = 2
"""Comparisons and blames that run at a time, each in a thread. Networks take turns."""


class SendCommand(Protocol):
    """The command bus."""

    async def __call__(self, command: Command[R], context: CommandContext) -> CommandResult[R]: ...


class ObserveRequest(Protocol):
    """Receives the end of each request. `seconds`: until the last byte was passed to the server."""

    def __call__(
        self, method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None
    ) -> None:
        """`route` is the route's template. `path` is None where it was not validated, and must not be logged then."""


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything that HTTP needs.

    `history` loads aggregates from the log; `trail` is the log for auditors; `partial_texts` has texts that are being
    written, `text_signals` says when they grow; `queue` knows the places of jobs; `live` follows the log; `head`
    returns the last position of the log; `log` proves it to others. `checks` are readiness checks by
    server name: each raises when its server does not answer. The API is ready only when the servers in `vital` answer.
    `broker` describes this installation's Kafka topics. `read_wait_max`: the longest wait of a read for a
    Consistency-Token, in seconds. `bodies` bounds the bodies that are being received, `compressor` the answers that are
    being compressed, `markdown` the texts that are being rendered, `computations` other long work in threads, `limits`
    how many requests a caller may send; `challenges` are for callers that have sent too many. `https`: clients use
    https, from a proxy in front. Each request is checked against `live_sessions`.
    """

    send: SendCommand
    rows: ReadStore
    history: EventStore
    trail: AuditTrail
    partial_texts: PartialTexts
    queue: JobQueue
    text_signals: TextSignals
    positions: Positions
    live: EventHub
    head: Callable[[], Awaitable[int]]
    tokens: Tokens
    sessions: Sessions
    live_sessions: LiveSessions
    refresh_tokens: RefreshTokens
    csrf: CsrfTokens
    security_log: SecurityLog
    recent_documents: RecentDocuments
    log: SealedLog
    clock: Clock
    new_id: NewId
    observe: ObserveRequest
    checks: dict[str, Callable[[], Awaitable[object]]]
    limits: RequestLimits
    challenges: Challenges
    models: Models
    vital: frozenset[str] = frozenset({"database"})
    broker: Broker = LOCAL
    cors_origins: tuple[str, ...] = ()
    bodies: BodyBudget = field(default_factory=BodyBudget)
    compressor: Compressor = field(default_factory=Compressor)
    markdown: MarkdownRenderer = field(default_factory=MarkdownRenderer)
    computations: FairTurns = field(default_factory=lambda: FairTurns(MAX_COMPUTATIONS))
    read_wait_max: float = 5.0
    https: bool = False
