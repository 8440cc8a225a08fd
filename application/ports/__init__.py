"""Ports: what use cases need from outside, one file a subject. Every name can be imported from here."""

from application.ports.clock import Clock, NewId
from application.ports.emails import EmailIndex
from application.ports.errors import (
    Busy,
    ClaimTaken,
    InFlight,
    KeyReused,
    NotAuthenticated,
    NotSettled,
    OutcomeUnknown,
    StaleVersion,
    Unavailable,
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
from application.ports.store import A, Actor, CommandContext, EventStore, Idempotency, Store, StoredResponse

__all__ = [
    "A",
    "Actor",
    "Busy",
    "ClaimTaken",
    "Clock",
    "CommandContext",
    "EmailIndex",
    "EventFeed",
    "EventPlace",
    "EventStore",
    "Holdings",
    "Idempotency",
    "InFlight",
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
    "StaleVersion",
    "Store",
    "StoredEvents",
    "StoredResponse",
    "T",
    "Unavailable",
    "Undecodable",
    "VersionConflict",
]
