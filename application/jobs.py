"""Jobs: work that happens later, outside of requests, and the registry of the functions that perform it.

A job is kept in the database until it is done, dead or cancelled, and may be performed more than once: a process can
die between the effect and the note that it is done. So each kind says what makes a repeat recognisable, its effect key.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints
from uuid import UUID

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConfidentialField:
    """Marks a job's field as personal or secret: it is encrypted where the job is kept."""


Confidential = Annotated[T, ConfidentialField()]
"""A field of a job that is encrypted where the job is kept. All other fields are ids and plain values."""


@dataclass(frozen=True, slots=True)
class Retries:
    """When a failed job is tried again: after at most `delays`, in seconds, each with full jitter.

    After the last delay the job is tried once more, then it is dead. `repeat_last`: the last delay is used again and
    again, until the deadline of the job.
    """

    delays: tuple[float, ...] = (1, 2, 4, 8, 16)
    repeat_last: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """How a job waits if payers take turns: each waiting payer gets one job, then each of them the next one.

    `payer`: an id. `resource`: what the job uses, in one word; operators can pause and limit it. `weight`: jobs of a
    resource with the weight 4 run four times as many at a time as those with the weight 1, while both wait.
    `most_of_payer`: so many jobs of one payer run at a time, in all workers together; None: any number.
    """

    payer: str
    resource: str
    weight: int
    most_of_payer: int | None = None

    @property
    def lane(self) -> str:
        """The jobs among which it has its turn."""
        most = "" if self.most_of_payer is None else f" {self.most_of_payer}"
        return f"{self.resource} {self.weight}{most}"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work for later. Its fields say what it is about: ids, plain values, `Confidential` values.

    The class says how its kind is performed. `kind`: a stable name, kept in the database. `every`: a cron expression
    (five fields, UTC) of a kind that runs by a schedule; such a kind has no fields (`ScheduledJob`).
    """

    kind: ClassVar[str]
    queue: ClassVar[str] = "default"
    """Each queue has a concurrency of its own (`infra/jobs`), so that one kind cannot hold up the others."""
    priority: ClassVar[int] = 0
    """Among waiting jobs of a queue, higher ones come first."""
    retries: ClassVar[Retries] = Retries()
    run_timeout: ClassVar[timedelta] = timedelta(seconds=30)
    """The longest time of one try. A try that takes longer has failed."""
    deadline: ClassVar[timedelta] = timedelta(days=1)
    """How long after it was due a job is still worth doing. After that it is dead."""
    every: ClassVar[str | None] = None

    @property
    def effect_key(self) -> str:
        """What makes a repeat of this job recognisable where its effect is: a Message-ID, an idempotency key."""
        raise NotImplementedError

    @property
    def subjects(self) -> frozenset[UUID]:
        """Whose confidential fields these are: ids of users, blind ids of addresses.

        An erasure of one of them destroys the confidential fields, and so ends the job. Only a kind with such fields
        needs it.
        """
        return frozenset()

    @property
    def lock(self) -> str | None:
        """Jobs with the same lock are performed one after the other. None: at any time."""
        return None

    @property
    def turn(self) -> Turn | None:
        """How payers take turns. None: jobs of the queue come by `priority`, then by age."""
        return None

    @property
    def not_before(self) -> datetime | None:
        """The earliest time at which it is performed, if what enqueues it names none. None: at once."""
        return None

    def __repr__(self) -> str:
        # Fields may be personal, and logs and tracebacks must not show them.
        return f"{type(self).__name__}(...)"


class ScheduledJob(Job, frozen=True, kw_only=True):
    """Base of kinds that run by a schedule. A repeat finds nothing left to do, so the kind is its effect key."""

    @property
    def effect_key(self) -> str:
        """The name of the kind."""
        return self.kind


NAMED = 5
"""How many streams that cannot be read a job names."""


class JobFailed(Exception):
    """The job failed, and a repeat cannot help. `reason`: a short text for operators, without personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def report_unread(unread: Collection[UUID]) -> None:
    """End a job that has done all else, if there are streams that it could not read.

    Raises:
        JobFailed: there are.
    """
    if unread:
        named = ", ".join(str(id) for id in sorted(unread)[:NAMED])
        raise JobFailed(f"all else is done, but {len(unread)} streams cannot be read: {named}")


Performer = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PerformerRegistration:
    """A function that performs a kind of job, and the ports that its parameters name."""

    perform: Performer
    ports: tuple[str, ...]


PERFORMERS: dict[type[Job], PerformerRegistration] = {}

P = TypeVar("P", bound=Performer)


def performs(performer: P) -> P:
    """Register `performer` for the job that annotates its first parameter; the other parameters name ports.

    Raises:
        TypeError: the kind has no name or no effect key, or its name or its job has a performer already.
    """
    first, *ports = inspect.signature(performer).parameters
    job: type[Job] = get_type_hints(performer)[first]
    if not hasattr(job, "kind"):
        raise TypeError(f"{job.__name__} has no kind")
    if job.effect_key is Job.effect_key:
        raise TypeError(f"{job.__name__} declares no effect key: nothing would show that it was done already")
    if job in PERFORMERS or job.kind in job_kinds():
        raise TypeError(f"{job.kind} has two performers")
    PERFORMERS[job] = PerformerRegistration(performer, tuple(ports))
    return performer


def job_kinds() -> dict[str, type[Job]]:
    """Return all kinds of jobs, by name."""
    return {job.kind: job for job in PERFORMERS}


async def perform(job: Job, ports: Mapping[str, Any]) -> None:
    """Perform a job once.

    Raises:
        JobFailed, Refusal: a repeat cannot help.
        Exception: a repeat may help.
    """
    registration = PERFORMERS[type(job)]
    await registration.perform(job, **{name: ports[name] for name in registration.ports})
