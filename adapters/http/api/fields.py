"""Header fields of a request: one value of each name, and nothing that could be read in several ways."""

from collections.abc import Sequence

from adapters.http.api.problems import Malformed

LISTS = frozenset({b"accept", b"accept-encoding", b"if-none-match", b"prefer"})
"""Fields that we read and that may come in several lines, which are one list (RFC 9110, 5.3)."""

SINGLE = frozenset(
    {
        b"authorization",
        b"challenge-solution",
        b"consistency-token",
        b"cookie",
        b"content-encoding",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"last-event-id",
        b"traceparent",
        b"transfer-encoding",
        b"x-csrf-token",
        b"x-request-id",
    }
)
"""Fields that we read and that come once. `If-Match` is a list, but two lines of it are more likely a mistake."""

Fields = Sequence[tuple[bytes, bytes]]


def by_name(fields: Fields) -> dict[bytes, bytes]:
    """Return the fields by name in lower case; of a repeated one the last, or the list."""
    found = dict(fields)
    if len(found) < len(fields):
        for name in LISTS & found.keys():
            found[name] = b", ".join(value for each, value in fields if each == name)
    return found


def refuse_doubtful(fields: Fields, found: dict[bytes, bytes], http_version: str) -> None:
    """Refuse a request with a repeated field, or without a host.

    Raises:
        Malformed
    """
    if len(found) < len(fields):
        names = [name for name, _ in fields]
        for name in sorted(SINGLE):
            if names.count(name) > 1:
                raise Malformed(f"The header {name.decode().title()} is given twice; send it once.")
    if b"host" not in found and http_version == "1.1":
        raise Malformed("The header Host is missing (RFC 9112, 3.2).")
