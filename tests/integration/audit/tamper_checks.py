"""The checks of `audit verify` by name, each to be switched off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from infra.audit import cosigned_history, surplus, unsealing, verification
from infra.audit.notes import LogCheckpoint
from infra.audit.tables import SignedCheckpoint
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.log_rows import LogRow


class Switch(NamedTuple):
    """A check of `audit verify`: a function of a class or a module. `off`: what takes its place."""

    owner: Any
    function: str
    off: Callable[..., Any] = lambda *_, **__: None


def leaf_of_anything(position: int, row: LogRow) -> bytes:
    """Return the leaf of a row, or some bytes if it has none."""
    try:
        return leaf(*row)
    except NoLeaf:
        return b""


def unverified(_: Any, checkpoint: SignedCheckpoint) -> LogCheckpoint:
    """Return a checkpoint, with any signature."""
    return LogCheckpoint.of(checkpoint.note)


WHOLE = verification._Verification
CHECKS = {
    "position": Switch(WHOLE, "_require_position"),
    "leaf": Switch(verification, "require_leaf", leaf_of_anything),
    "end": Switch(WHOLE, "_require_end"),
    "length": Switch(WHOLE, "_require_length"),
    "signature": Switch(WHOLE, "_require_signature", unverified),
    "root": Switch(WHOLE, "_require_root"),
    "tiles": Switch(WHOLE, "_require_tiles"),
    "one event each": Switch(surplus, "_require_one_event_each"),
    "tiles of the tree": Switch(surplus, "_require_tiles_of_tree"),
    "edges of the tree": Switch(surplus, "_require_edges_of_tree"),
    "chain": Switch(surplus, "_require_chain"),
    "cosigned checkpoint": Switch(cosigned_history, "_require_checkpoint"),
    "cosignature": Switch(cosigned_history, "_require_cosignature"),
    "opened": Switch(unsealing, "require_opened"),
}
"""All checks, by name."""


@contextmanager
def switched_off(*names: str) -> Iterator[None]:
    """Leave out checks."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(*CHECKS[name])
        yield
