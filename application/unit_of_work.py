"""Unit of work: the aggregates that one attempt of one command has loaded and staged."""

from collections.abc import Callable
from datetime import datetime
from typing import cast
from uuid import UUID

from application.admission import admit
from application.known_roots import KnownRoots
from application.ports import A, Actor, Clock, EventStore
from domain.kernel import Claim, NotFound, Root


class StoppedClock:
    """A clock that always shows the time at which it was first read: an attempt of a command has one time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._time: datetime | None = None

    def __call__(self) -> datetime:
        """Return the time."""
        if self._time is None:
            self._time = self._clock()
        return self._time


class UnitOfWork:
    """Implements `ports.Store`: loads from the event store, and keeps staged aggregates for one append.

    `check` sees each aggregate that is loaded in its current version, and may refuse it. `actor`: the user whose rights
    count. `known`: aggregates to begin with in place of loads.
    """

    def __init__(
        self,
        events: EventStore,
        clock: Clock,
        check: Callable[[Root], None] | None = None,
        actor: Actor | None = None,
        known: KnownRoots | None = None,
    ) -> None:
        self._events = events
        self._clock = clock
        self._check = check
        self.actor = actor
        self._known = known or KnownRoots()
        self.assumed: set[UUID] = set()
        """The streams of known aggregates that the command got. They may have changed since."""
        self.loaded: list[Root] = []
        self.saved: list[Root] = []
        self.staged: list[Root] = []
        self.judged_by: dict[UUID, int] = {}
        """The versions of the streams by which the changes are judged, such as those asked for the actor's roles."""

    @property
    def main(self) -> Root | None:
        """The command's main aggregate: the first staged one, or else the first loaded one."""
        return next(iter(self.staged or self.loaded), None)

    @property
    def events(self) -> list[Root.Event]:
        """The pending events of the staged aggregates."""
        return [cast(Root.Event, event) for root in self.staged for event in root.pending_events]

    @property
    def checked(self) -> list[Root]:
        """The loaded aggregates whose versions the append checks."""
        ids = {*self.judged_by, *(root.id for root in self.staged)}
        return [root for root in self.loaded if root.id in ids]

    @property
    def is_sure(self) -> bool:
        """Whether the append checks all that was assumed."""
        return self.assumed <= {root.id for root in self.checked}

    def current(self, kind: type[A], id: UUID) -> A:
        """Return an aggregate as the command leaves it.

        Raises:
            LookupError: the command has neither staged nor loaded it.
        """
        for root in (*self.staged, *self.loaded):
            if root.id == id and isinstance(root, kind):
                return root
        raise LookupError(f"the command has not loaded this {kind.__name__}")

    async def get(self, kind: type[A], id: UUID, *, version: int | None = None) -> A:
        """See `ports.Store.get`."""
        root = self._known.take(kind, id) if version is None else None
        if root is None:
            root = _found(kind, await self._events.load(kind, id, version=version))
        else:
            self.assumed.add(id)
        if version is None:  # who may do what, and to which state, is judged by the present one
            for lender in await admit(root, self.actor, self._events, self._clock()):
                self.judged_by.setdefault(lender.id, lender.version)
        self.loaded.append(root)
        if version is None and self._check is not None:
            self._check(root)
        return root

    async def shell(self, kind: type[A], id: UUID) -> A:
        """See `ports.Store.shell`."""
        root = _found(kind, await self._events.shell(kind, id))
        self.loaded.append(root)
        return root

    async def basis(self, kind: type[A], id: UUID) -> A | None:
        """See `ports.Store.basis`."""
        root = await self._events.load(kind, id)
        self.judged_by.setdefault(id, 0 if root is None else root.version)
        return root

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """See `ports.Store.claimed_by`."""
        return await self._events.claimed_by(claim)

    def save(self, *aggregates: Root) -> None:
        """See `ports.Store.save`."""
        self.saved += aggregates
        self.staged += [root for root in aggregates if root.pending_events]


def _found(kind: type[A], root: A | None) -> A:
    if root is None:
        raise NotFound(f"There is no such {kind.__name__.lower()}.")
    return root
