"""Idempotency: what is kept of the answer to a keyed request, and how a repeated request is answered alike.

Of a view only a reference is kept: the view is built again, at the same version and time, for an actor who may still
read the aggregate. Other answers are small and are kept themselves; those that hold a secret, for minutes only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.admission import admit
from application.commands import HANDLERS, Command
from application.ports import (
    Actor,
    AnswerExpired,
    CommandContext,
    Copy,
    EventStore,
    Idempotency,
    KeptAnswer,
    Reference,
    StoredResponse,
)
from application.unit_of_work import UnitOfWork
from application.views import VIEWS
from domain.kernel import Root

MAX_COPY_BYTES = 4_096
SECRET_LIFETIME = timedelta(minutes=10)


class AnswerTooLarge(Exception):
    """An answer that is not a view is larger than `MAX_COPY_BYTES`: an error of the program, not of the request."""


class VersionLost(Exception):
    """The log lacks a version that was answered."""


class KeyedHash(Protocol):
    """A keyed digest: stored digests of keys and requests reveal nothing about them."""

    def __call__(self, *parts: bytes) -> bytes:
        """Return a digest of 32 bytes."""


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Digests of a keyed request: `key` of the key and the actor, `fingerprint` of the command."""

    key: bytes
    fingerprint: bytes


def scope_of(command: Command[Any], context: CommandContext, key: str, digests: KeyedHash) -> KeyScope:
    """Return the scope of a request. Its precondition is a part of it."""
    actor = context.person.user_id.bytes if context.person else b""
    content = msgspec.msgpack.encode((command, context.precondition), order="deterministic")
    fingerprint = digests(b"command", actor, type(command).__name__.encode(), content)
    # Anonymous requests: the fingerprint scopes the key, so that two different ones never share a key.
    return KeyScope(digests(b"idempotency", actor or fingerprint, key.encode()), fingerprint)


def operation_id_of(scope: KeyScope, digests: KeyedHash) -> UUID:
    """Return an id (UUIDv8, RFC 9562) that a repeat with the same key gets again."""
    bits = int.from_bytes(digests(b"operation", scope.key)[:16], "big")
    return UUID(int=(bits & ~(0xF << 76 | 0x3 << 62)) | 0x8 << 76 | 0x2 << 62)


def record_of(
    scope: KeyScope,
    command: Command[Any],
    answer: object,
    unit: UnitOfWork,
    events: Sequence[Root.Event],
    time: datetime,
) -> Idempotency | None:
    """Return the record to keep of a request; None: it touched no aggregate.

    Raises:
        AnswerTooLarge: the answer is no view and too large to be kept.
    """
    main = unit.main
    if main is None:
        return None
    kept = _kept(command, answer, unit)
    return Idempotency(
        scope.key,
        scope.fingerprint,
        subject_id=kept.id if isinstance(kept, Reference) else main.id,
        stream_id=events[-1].originator_id if events else main.id,
        version=events[-1].originator_version if events else main.version,
        time=time,
        answer=kept,
    )


def _kept(command: Command[Any], answer: Any, unit: UnitOfWork) -> KeptAnswer:
    if answer is None:
        return None
    view = VIEWS.get(HANDLERS[type(command)].answer)
    if view is not None and not command.answers_secret:
        root = unit.current(view.kind, answer.id)
        return Reference(view.kind, root.id, root.version)
    encoded = msgspec.msgpack.encode(answer)
    if len(encoded) > MAX_COPY_BYTES:
        raise AnswerTooLarge(f"{type(command).__name__} answers {len(encoded)} bytes")
    return Copy(encoded, command.answers_secret)


async def answer_again(
    command: Command[Any], actor: Actor | None, stored: StoredResponse, events: EventStore, now: datetime
) -> Any:
    """Return the answer that the first request got.

    Raises:
        NotFound, Forbidden: the actor may not read it any more.
        AnswerExpired: it held a secret, which is no longer kept.
        VersionLost: the log lacks the version that was answered.
    """
    kept = stored.answer
    if kept is None:
        return None
    answer = HANDLERS[type(command)].answer
    if isinstance(kept, Copy):
        if kept.encoded is None or (kept.secret and now - stored.time >= SECRET_LIFETIME):
            raise AnswerExpired("This was executed, but its answer is no longer kept; send it again with a new key.")
        return msgspec.msgpack.decode(kept.encoded, type=answer)
    view = VIEWS[answer]
    root = await events.load(kept.kind, kept.id)
    if root is not None:
        await admit(root, actor, events, now)
        view.require_reader(root, actor, now)
        if root.version != kept.version:
            root = await events.load(kept.kind, kept.id, version=kept.version)
    if root is None:
        raise VersionLost(f"version {kept.version} of {kept.id}")
    return view.make(root, stored.time)
