"""Keys of payers: with one, a user or a team pays the provider directly. See `decisions/0004-keys-of-payers.md`.

Each key is a stream with a data key of its own, which ends with it: a key that was deleted or replaced cannot be read
any more. `KeyChoice` says which one a payer uses now.
"""

import hmac
from datetime import datetime
from uuid import UUID, uuid5

from domain.generation.refusals import UnusableProviderKey
from domain.kernel import FirstEvent, Party, PartyKind, Personal, Root

MIN_KEY_LENGTH, MAX_KEY_LENGTH = 20, 300
SHOWN = 4
"""So many of the last characters are shown."""


def usable_key(key: str) -> str:
    """Return a key in the form to store.

    Raises:
        UnusableProviderKey: it has characters that no header can have, or no length of keys.
    """
    key = key.strip()
    if not (MIN_KEY_LENGTH <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable() and " " not in key):
        raise UnusableProviderKey(
            f"A key has {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} characters: letters, digits and signs of ASCII."
        )
    return key


class ProviderKey(Root):
    """A payer's key of the provider. Only its end is ever shown."""

    TOPIC = "provider_key"

    class Saved(FirstEvent):
        TOPIC = "provider_key.saved"
        payer_kind: PartyKind
        payer_id: UUID
        saved_by: UUID
        key: Personal[str]
        last_characters: Personal[str]

        def apply(self, aggregate: "ProviderKey") -> None:
            self.assign(aggregate)

    class Erased(Root.Event):
        TOPIC = "provider_key.erased"
        erases = True

        def apply(self, aggregate: "ProviderKey") -> None:
            aggregate.erased = True

    payer_kind: PartyKind
    payer_id: UUID
    saved_by: UUID
    key: str
    last_characters: str

    @classmethod
    def save(cls, key: str, *, id: UUID, payer: Party, by: UUID, now: datetime) -> "ProviderKey":
        """Save a key. Raises `UnusableProviderKey`."""
        key = usable_key(key)
        return cls.start_stream(
            cls.Saved,
            id=id,
            tenant=payer,
            now=now,
            payer_kind=payer.kind,
            payer_id=payer.id,
            saved_by=by,
            key=key,
            last_characters=key[-SHOWN:],
        )

    def is_same(self, key: str) -> bool:
        """Return whether it is this key."""
        return not self.erased and hmac.compare_digest(self.key, usable_key(key))

    def erase(self, *, now: datetime) -> None:
        """Erase the key. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)


class KeyChoice(Root):
    """Which key of their own a payer uses; none: ours."""

    TOPIC = "key_choice"

    class Made(FirstEvent):
        TOPIC = "key_choice.made"
        payer_kind: PartyKind
        payer_id: UUID
        key_id: UUID

        def apply(self, aggregate: "KeyChoice") -> None:
            aggregate.key_id = self.key_id

    class Changed(Root.Event):
        TOPIC = "key_choice.changed"
        key_id: UUID

        def apply(self, aggregate: "KeyChoice") -> None:
            aggregate.key_id = self.key_id

    class Ended(Root.Event):
        TOPIC = "key_choice.ended"

        def apply(self, aggregate: "KeyChoice") -> None:
            aggregate.key_id = None

    key_id: UUID | None

    @staticmethod
    def id_of(payer: Party) -> UUID:
        """Return the id of a payer's choice: there is at most one."""
        return uuid5(payer.id, "key_choice")

    @classmethod
    def make(cls, payer: Party, key_id: UUID, *, now: datetime) -> "KeyChoice":
        """Choose a key for the first time."""
        return cls.start_stream(
            cls.Made,
            id=cls.id_of(payer),
            tenant=payer,
            now=now,
            payer_kind=payer.kind,
            payer_id=payer.id,
            key_id=key_id,
        )

    def change(self, key_id: UUID, *, now: datetime) -> None:
        """Choose another key."""
        self.trigger_event(self.Changed, now=now, key_id=key_id)

    def end(self, *, now: datetime) -> None:
        """Use no key of one's own any more. A second time causes no event."""
        if self.key_id is not None:
            self.trigger_event(self.Ended, now=now)
