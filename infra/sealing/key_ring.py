"""The key ring: all keys of an installation, in one JSON document.

    {"keys": [{"kind": "store", "id": "5be7a1c3", "state": "current", "secret": "32 bytes in base64"}, ...]}

A key is `next` (known to all processes, not used yet), `current`, or `earlier` (still reads what it has protected).
`until` limits an earlier key: the last position of events that a store key stamped, or the time (seconds since 1970)
after which no token of a signing key is taken.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from infra.sealing.store_keys import tag_of
from infra.settings.errors import SettingsError

SECRET_BYTES = 32
ID_BYTES = 4


class KeyKind(StrEnum):
    """The purposes of keys; infra/sealing/README.md says what each protects."""

    KEY_ENCRYPTION = "key-encryption"
    STORE = "store"
    BLIND_INDEX = "blind-index"
    SIGNING = "signing"
    LOG = "log"


UNCHANGING = {
    KeyKind.BLIND_INDEX: "every claim and every address id depends on it",
    KeyKind.LOG: "auditors know the log by it",
}
"""The kinds whose key is never replaced, with the reason."""


class KeyState(StrEnum):
    """The life of a key, in order."""

    NEXT = "next"
    CURRENT = "current"
    EARLIER = "earlier"


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key of 32 bytes. The id of a store key is the tag in its stamps."""

    kind: KeyKind
    id: str
    secret: bytes = field(repr=False)
    state: KeyState = KeyState.CURRENT
    until: int | None = None

    @classmethod
    def new(cls, kind: KeyKind, state: KeyState = KeyState.CURRENT) -> "RingKey":
        """Return a random key."""
        secret = secrets.token_bytes(SECRET_BYTES)
        return cls(kind, id_of(kind, secret), secret, state)

    @property
    def name(self) -> str:
        """Kind and id, for people."""
        return f"{self.kind} key '{self.id}'"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of all kinds: one of each is current. Only the log key may be missing."""

    keys: tuple[RingKey, ...]

    @classmethod
    def new(cls) -> "KeyRing":
        """Return a ring of new keys."""
        return cls(tuple(map(RingKey.new, KeyKind)))

    @classmethod
    def parse(cls, document: str, place: str) -> "KeyRing":
        """Decode a key document. `place`: where it was found, for errors.

        Raises:
            SettingsError: it is not a key document, or keys are missing. The message contains no secret.
        """
        try:
            ring = cls(tuple(_key(entry) for entry in json.loads(document)["keys"]))
        except (ValueError, TypeError, KeyError):
            raise SettingsError(
                f"{place} is not a key document. Restore it, or make a new one with: palimpsest new-keys"
            ) from None
        for problem in ring.problems():
            raise SettingsError(f"{place}: {problem}")
        return ring

    def document(self) -> str:
        """Encode the ring as a key document, which contains its secrets."""
        return json.dumps({"keys": [_entry(key) for key in self.keys]}, indent=2) + "\n"

    def problems(self) -> Iterable[str]:
        """Say what is wrong with the ring."""
        for kind in KeyKind:
            keys = self.of(kind)
            if kind is KeyKind.LOG and not keys:
                continue  # documents from before there was a log have none; `palimpsest sealer` asks for it
            if sum(key.state is KeyState.CURRENT for key in keys) != 1:
                yield f"exactly one {kind} key must be current."
            if len({key.id for key in keys}) != len(keys):
                yield f"two {kind} keys have the same id."
        for kind in UNCHANGING:
            if len(self.of(kind)) > 1:
                yield f"there can be only one {kind} key: it never changes."
        for key in self.of(KeyKind.STORE):
            if key.id != id_of(KeyKind.STORE, key.secret):
                yield f"the id of the {key.name} must be the tag of its secret."

    def of(self, kind: KeyKind) -> list[RingKey]:
        """Return the keys of a kind."""
        return [key for key in self.keys if key.kind is kind]

    def current(self, kind: KeyKind) -> RingKey:
        """Return the current key of a kind."""
        return next(key for key in self.of(kind) if key.state is KeyState.CURRENT)

    def next(self, kind: KeyKind) -> RingKey | None:
        """Return the next key of a kind, if a rotation has made one."""
        return next((key for key in self.of(kind) if key.state is KeyState.NEXT), None)

    def earlier(self, kind: KeyKind) -> list[RingKey]:
        """Return the earlier keys of a kind."""
        return [key for key in self.of(kind) if key.state is KeyState.EARLIER]

    def completed(self) -> "KeyRing":
        """Return the ring with a log key, a new one if there was none."""
        return self if self.of(KeyKind.LOG) else KeyRing((*self.keys, RingKey.new(KeyKind.LOG)))

    def with_next(self, kind: KeyKind) -> "KeyRing":
        """Return the ring with a new key, not used yet."""
        return KeyRing((*self.keys, RingKey.new(kind, KeyState.NEXT)))

    def promoted(self, kind: KeyKind) -> "KeyRing":
        """Return the ring with the next key as the current one. The key that was current has no limit yet."""
        states = {KeyState.NEXT: KeyState.CURRENT, KeyState.CURRENT: KeyState.EARLIER}
        return KeyRing(
            tuple(
                replace(key, state=states.get(key.state, key.state)) if key.kind is kind else key for key in self.keys
            )
        )

    def limited(self, kind: KeyKind, until: int) -> "KeyRing":
        """Return the ring in which the earlier keys of a kind without a limit have this one."""
        open_ids = {key.id for key in self.earlier(kind) if key.until is None}
        return KeyRing(
            tuple(replace(key, until=until) if key.kind is kind and key.id in open_ids else key for key in self.keys)
        )

    def without_expired(self, now: float) -> "KeyRing":
        """Return the ring without the earlier signing keys whose limit has passed. `now`: seconds since 1970."""
        expired = {key.id for key in self.earlier(KeyKind.SIGNING) if key.until is not None and key.until < now}
        return KeyRing(tuple(key for key in self.keys if key.kind is not KeyKind.SIGNING or key.id not in expired))

    def without_earlier(self, kind: KeyKind) -> "KeyRing":
        """Return the ring without the earlier keys of a kind."""
        return KeyRing(tuple(key for key in self.keys if key.kind is not kind or key.state is not KeyState.EARLIER))


def id_of(kind: KeyKind, secret: bytes) -> str:
    """Return the id of a key: of a store key the tag in its stamps, else a random one."""
    return (tag_of(secret) if kind is KeyKind.STORE else secrets.token_bytes(ID_BYTES)).hex()


def _key(entry: Any) -> RingKey:
    secret = b64decode(entry["secret"], validate=True)
    if len(secret) != SECRET_BYTES or not isinstance(entry["id"], str) or not 0 < len(entry["id"]) <= 64:
        raise ValueError
    until = entry.get("until")
    if until is not None and type(until) is not int:
        raise TypeError
    return RingKey(KeyKind(entry["kind"]), entry["id"], secret, KeyState(entry["state"]), until)


def _entry(key: RingKey) -> dict[str, Any]:
    limit = {} if key.until is None else {"until": key.until}
    return {
        "kind": key.kind,
        "id": key.id,
        "state": key.state,
        "secret": b64encode(key.secret).decode(),
        **limit,
    }
