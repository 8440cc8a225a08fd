"""The locks that order writes, and the registry of advisory locks: each number that the code locks, with its purpose.

Any login that may connect can hold an advisory lock. So what all commands wait for is a lock on an empty table, which
only the owner can take, in its functions with SECURITY DEFINER and in the rotation of keys. Its mode conflicts with
itself, and with no read of the table; it costs the same.

PostgreSQL has two spaces of keys, which never collide: one bigint, or a pair of ints. In a pair the first int is the
class of the lock, and the second is computed from a name.
"""

from typing import NamedTuple


class AdvisoryLock(NamedTuple):
    """`key`: the whole key, or the class of a pair."""

    key: int
    is_pair: bool
    purpose: str


LOCK_APPENDS = "LOCK TABLE palimpsest.append_lock IN SHARE UPDATE EXCLUSIVE MODE"
"""Taken by `append_events`: one batch at a time, so that commit order is position order."""
LOCK_INVALIDATIONS = "LOCK TABLE palimpsest.invalidate_lock IN SHARE UPDATE EXCLUSIVE MODE"
"""Taken by `invalidate`: one at a time, so that numbers of invalidations become visible in order."""
LOCK_SECURITY_NUMBERS = "LOCK TABLE palimpsest.security_log_lock IN SHARE UPDATE EXCLUSIVE MODE"
"""Taken by `number_security_entry`: one at a time, so that numbers of entries become visible in order."""
ENQUEUING = "LOCK TABLE palimpsest.enqueue_lock IN ROW EXCLUSIVE MODE"
"""Taken by `enqueue_jobs`: any number at a time, none while a rotation closes a key."""
LOCK_ENQUEUES = "LOCK TABLE palimpsest.enqueue_lock IN SHARE MODE"
"""Taken by the rotation of keys: it waits for the transactions that enqueue."""
LOCK_TURNS = "LOCK TABLE jobs.resources IN SHARE UPDATE EXCLUSIVE MODE"
"""Taken by `jobs.fetch_job`: one fetch of jobs with turns at a time: two would choose the same, or pass a limit."""

MIGRATE = AdvisoryLock(7236829, False, "`palimpsest migrate`: one process at a time")
READ_MODEL_TABLES = AdvisoryLock(
    7236830, False, "projector: creates missing tables of read models, one process at a time"
)
RELAY_LEADER = AdvisoryLock(7236830, True, "relay: one leader per stream of topics; the second int is from its name")
ROTATE_KEYS = AdvisoryLock(7236832, False, "`palimpsest keys rotate`: one rotation at a time, of any kind of key")
POLICY_STATES = AdvisoryLock(7236833, True, "policies: one batch changes a state; the second int is of policy and key")
REBUILD = AdvisoryLock(
    1207903554, True, "rebuild, replay: one per read model or schema; the second int is `hashtext(name)`"
)
SEALER_LEADER = AdvisoryLock(7236834, True, "sealer: one leader per log; the second int is from its name")
SIEM_LEADER = AdvisoryLock(7236835, True, "worker: one delivers to a SIEM; the second int is from its name")

ALL_LOCKS = (MIGRATE, READ_MODEL_TABLES, RELAY_LEADER, ROTATE_KEYS, POLICY_STATES, REBUILD, SEALER_LEADER, SIEM_LEADER)
