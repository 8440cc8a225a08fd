"""Words for the first difference between a store and what was signed."""

from infra.audit.tiles import HEIGHT, WIDTH, TileId, path_of, split_hashes
from infra.store.audit_leaf import content_of


class WrongPosition(Exception):
    """The first position at which the store is not what was signed. The message says what is wrong there."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def named(entry: bytes) -> str:
    """Return words for the event of a leaf."""
    try:
        found = content_of(entry)
    except ValueError:
        return "something that is no event"
    return f"{found.topic}, version {found.version} of the stream {found.stream_id}"


def difference(entry: bytes, sealed: bytes) -> str:
    """Return what is different between the leaf of an event and the one that was sealed."""
    if named(entry) != named(sealed):
        return f"another event is there: {named(entry)}; it was {named(sealed)}"
    now, was = content_of(entry), content_of(sealed)
    if now.digest != was.digest:
        return f"the stored bytes of the event were changed ({named(entry)})"
    return f"the time of the event was changed from {was.recorded_at} to {now.recorded_at} ({named(entry)})"


def explain_tile(tile: TileId, computed: bytes, stored: bytes) -> WrongPosition:
    """Return the first position below a stored tile that is not the computed one."""
    number = 0
    if tile.level >= 0:
        pairs = enumerate(zip(split_hashes(computed), split_hashes(stored), strict=False))
        number = next((index for index, (ours, theirs) in pairs if ours != theirs), 0)
    position = (tile.number * WIDTH + number << HEIGHT * max(tile.level, 0)) + 1
    return WrongPosition(position, f"the tile {path_of(tile)} is not the one of the events")
