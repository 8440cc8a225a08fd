"""Jobs as they are kept: a JSON object with plain fields, and one sealed blob for the confidential ones.

    {"kind": "account_mail", "effect": "its effect key", "fields": {...}, "sealed": "base64", "key": "id of the key"}

`enqueue_jobs.sql` adds `due`, in seconds since 1970. A job without confidential fields has neither `sealed` nor `key`.
One with them has `subjects`, the ids of whom they are about: an erasure of one of these takes `sealed` away, and adds
`erased` (`erase_jobs.sql`).
One with a turn also has `payer` and `lane`, which is its resource and its weight: "gpt-5 4". One that a request caused
also has "cause": {"request": its id, "event": the id of the event that caused the job, if one did}.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec

from application.cause import Cause
from application.jobs import ConfidentialField, Job, job_kinds
from infra.sealing.job_seals import JobSeals
from infra.sealing.store_keys import Damage

JsonObject = dict[str, Any]


class UnknownKind(Exception):
    """There is no performer for this kind of job, at least not in this version of the code."""


class UnknownForm(Exception):
    """The kind is known, but its fields or its effect key are different in this version of the code."""


@dataclass(frozen=True, slots=True)
class EncodedJob:
    """A job with what the queue must know of it. `args`: JSON, UTF-8 text."""

    queue: str
    priority: int
    lock: str | None
    not_before: datetime | None
    args: str


class JobCodec:
    """Encodes jobs for the queue, and decodes them."""

    def __init__(self, seals: JobSeals) -> None:
        self._seals = seals

    def encode(self, job: Job, cause: Cause | None = None) -> EncodedJob:
        """Encode a job, with its confidential fields sealed under the current key."""
        args: JsonObject = {"kind": job.kind, "effect": job.effect_key}
        if cause is not None:
            event = {} if cause.event_id is None else {"event": cause.event_id}
            args["cause"] = {"request": cause.correlation_id, **event}
        if job.turn is not None:
            args |= {"payer": job.turn.payer, "lane": job.turn.lane}
        fields = msgspec.to_builtins(job, str_keys=True)
        if names := confidential_fields(type(job)):
            content = msgspec.json.encode({name: fields.pop(name) for name in names})
            args["key"] = self._seals.current
            args["subjects"] = sorted(map(str, job.subjects))
            args["sealed"] = b64encode(self._seals.seal(job.kind, job.effect_key, content)).decode()
        args["fields"] = fields
        return EncodedJob(job.queue, job.priority, job.lock, job.not_before, msgspec.json.encode(args).decode())

    def decode(self, args: Mapping[str, Any]) -> Job:
        """Decode the arguments of a job.

        Raises:
            UnknownKind: no code performs this kind.
            UnknownForm: its fields, or its effect key, do not fit its kind.
            UnknownKey: the key of its sealed fields is not known.
            Damage: its sealed fields do not open, or this is not an encoded job.
        """
        job_type = kind_of(args)
        try:
            fields, effect_key = dict(args["fields"]), args["effect"]
            if "sealed" in args:
                sealed = b64decode(args["sealed"])
                content = self._seals.unseal(args["kind"], effect_key, args["key"], sealed)
                fields |= msgspec.json.decode(content)
        except (KeyError, ValueError):
            raise Damage("what is kept is not an encoded job") from None
        try:
            job = msgspec.convert(fields, job_type)
        except msgspec.ValidationError:  # its message may quote a field
            raise UnknownForm("the fields of the job do not fit its kind") from None
        if job.effect_key != effect_key:
            raise UnknownForm("the effect key of the job does not fit its fields")
        return job


def cause_of(args: Mapping[str, Any]) -> Cause | None:
    """Return what caused an encoded job; None: it is not known, as of jobs of earlier releases.

    Raises:
        Damage: this is not an encoded job.
    """
    kept = args.get("cause")
    try:
        return None if kept is None else Cause(UUID(kept["request"]), UUID(kept["event"]) if "event" in kept else None)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Damage("what is kept is not an encoded job") from None


def kind_of(args: Mapping[str, Any]) -> type[Job]:
    """Return the class of an encoded job.

    Raises:
        UnknownKind: no code performs this kind.
    """
    job_type = job_kinds().get(str(args.get("kind")))
    if job_type is None:
        raise UnknownKind
    return job_type


@cache
def confidential_fields(job_type: type[Job]) -> tuple[str, ...]:
    """Return the names of the fields that are encrypted."""
    hints = get_type_hints(job_type, include_extras=True)
    return tuple(name for name in job_type.__struct_fields__ if _is_confidential(hints[name]))


def _is_confidential(hint: Any) -> bool:
    """Whether a type is `Confidential`, or one of its parts is, as in `Confidential[str] | None`."""
    marked = any(isinstance(mark, ConfidentialField) for mark in getattr(hint, "__metadata__", ()))
    return marked or any(map(_is_confidential, get_args(hint)))
