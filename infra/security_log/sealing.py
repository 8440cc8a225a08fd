"""Sealed clients of entries: address and program, under the data key of the user, bound to the rest of the entry."""

import msgspec

from application.ports import Client, LoggedEntry
from infra.sealing.keyring import DataKey
from infra.sealing.store_keys import Purpose, framed

USER_AGENT_LENGTH = 256
"""Characters that are kept: browsers send about 150, and attackers what they like."""

_DECODE = msgspec.msgpack.Decoder(tuple[str, str]).decode


def seal_client(logged: LoggedEntry, key: DataKey) -> bytes | None:
    """Return the sealed client of an entry; None: it has none."""
    client = logged.entry.client
    if client is None:
        return None
    plain = msgspec.msgpack.encode((client.address, client.user_agent[:USER_AGENT_LENGTH]))
    return key.seal(plain, _bound(logged))


def open_client(logged: LoggedEntry, key: DataKey, sealed: bytes) -> Client:
    """Return the client of an entry, which was sealed for it.

    Raises:
        KeyErased: the key that sealed it has been erased.
        Damage: the entry is not the one that was written.
    """
    return Client(*_DECODE(key.unseal(sealed, _bound(logged))))


def _bound(logged: LoggedEntry) -> bytes:
    entry = logged.entry
    said = (logged.at, entry.action, entry.outcome, entry.reason, entry.session_id, entry.request_id, entry.count)
    assert entry.user_id is not None
    return framed(Purpose.SECURITY_ENTRY, logged.id.bytes, entry.user_id.bytes, msgspec.msgpack.encode(said))
