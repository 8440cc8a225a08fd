"""Email addresses, as subjects of erasure. An address may be used after it was erased, and erased again."""

from datetime import datetime
from uuid import UUID

from domain.kernel import FirstEvent, Party, Root


class Address(Root):
    """An email address that was erased. Its id is the blind id of the address, which is also its subject."""

    TOPIC = "address"

    class Erased(FirstEvent):
        TOPIC = "address.erased"
        erases = True

        def apply(self, aggregate: "Address") -> None:
            aggregate.erased = True

    class ErasedAgain(Root.Event):
        TOPIC = "address.erased_again"
        erases = True

        def apply(self, aggregate: "Address") -> None:
            aggregate.erased = True

    @classmethod
    def erase(cls, *, id: UUID, now: datetime) -> "Address":
        """Erase an address for the first time. It belongs to no user or team, so it is its own tenant."""
        return cls.start_stream(cls.Erased, id=id, tenant=Party("user", id), now=now)

    def erase_again(self, *, now: datetime) -> None:
        """Erase an address again. Each time it is an event: nothing here says whether it has been used since."""
        self.trigger_event(self.ErasedAgain, now=now)
