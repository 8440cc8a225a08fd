"""The registry of advisory locks: each number that the code or a SQL function locks, with its purpose.

PostgreSQL has two spaces of keys, which never collide: one bigint, or a pair of ints. In a pair the first int is the
class of the lock, and the second is computed from a name. A test compares this list with the SQL files.
"""

from typing import NamedTuple


class AdvisoryLock(NamedTuple):
    """`key`: the whole key, or the class of a pair."""

    key: int
    is_pair: bool
    purpose: str


APPEND = AdvisoryLock(7236828, False, "`append_events`: one batch at a time, so that commit order is position order")
MIGRATE = AdvisoryLock(7236829, False, "`palimpsest migrate`: one process at a time")
READ_MODEL_TABLES = AdvisoryLock(
    7236830, False, "projector: creates missing tables of read models, one process at a time"
)
RELAY_LEADER = AdvisoryLock(7236830, True, "relay: one leader per stream of topics; the second int is from its name")
INVALIDATE = AdvisoryLock(
    7236831, False, "`invalidate`: one at a time, so that numbers of invalidations become visible in order"
)
ROTATE_KEYS = AdvisoryLock(7236832, False, "`palimpsest keys rotate`: one rotation at a time, of any kind of key")
REBUILD = AdvisoryLock(1207903554, True, "rebuild: one per read model; the second int is `hashtext(name)`")

ALL_LOCKS = (APPEND, MIGRATE, READ_MODEL_TABLES, RELAY_LEADER, INVALIDATE, ROTATE_KEYS, REBUILD)
