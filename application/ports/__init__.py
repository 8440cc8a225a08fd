"""Ports: what use cases need from outside, one file a subject. Every name can be imported from here."""

from application.ports.clock import Clock, NewId
from application.ports.emails import EmailIndex
from application.ports.errors import (
    AnswerExpired,
    Busy,
    ClaimTaken,
    InFlight,
    KeyReused,
    NotAuthenticated,
    NotSettled,
    OutcomeUnknown,
    StaleVersion,
    Unavailable,
    Unreadable,
    VersionConflict,
)
from application.ports.feed import (
    EventFeed,
    PartitionBatch,
    PartitionCheckpoint,
    PartitionedFeed,
    Positions,
    RecordedEvent,
    Undecodable,
)
from application.ports.holdings import Holdings
from application.ports.passwords import Passwords
from application.ports.reads import EventPlace, Params, ReadStore, StoredEvents, T
from application.ports.store import (
    A,
    Actor,
    CommandContext,
    Copy,
    EventStore,
    Idempotency,
    KeptAnswer,
    Reference,
    Store,
    StoredResponse,
)

__all__ = [
    "A",
    "Actor",
    "AnswerExpired",
    "Busy",
    "ClaimTaken",
    "Clock",
    "CommandContext",
    "Copy",
    "EmailIndex",
    "EventFeed",
    "EventPlace",
    "EventStore",
    "Holdings",
    "Idempotency",
    "InFlight",
    "KeptAnswer",
    "KeyReused",
    "NewId",
    "NotAuthenticated",
    "NotSettled",
    "OutcomeUnknown",
    "Params",
    "PartitionBatch",
    "PartitionCheckpoint",
    "PartitionedFeed",
    "Passwords",
    "Positions",
    "ReadStore",
    "RecordedEvent",
    "Reference",
    "StaleVersion",
    "Store",
    "StoredEvents",
    "StoredResponse",
    "T",
    "Unavailable",
    "Undecodable",
    "Unreadable",
    "VersionConflict",
]
