"""The policies of a process as consumers of the log: they begin where the log ends, and are never rebuilt."""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from application.policy import Policy
from infra.policies.consumer import BatchSize, PolicyConsumer, PolicyParts
from infra.policies.tables import POLICY_CHECKPOINTS, ensure_checkpoints
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import Checkpoint


class PolicyConsumers:
    """Implements `LogConsumerSet`."""

    checkpoints = POLICY_CHECKPOINTS

    def __init__(self, policies: Sequence[Policy], parts: PolicyParts) -> None:
        self._batch_size = BatchSize()
        self._policies = {policy.name: policy for policy in policies}
        self.members = [PolicyConsumer(policy, parts, self._batch_size) for policy in policies]

    @property
    def batch_size(self) -> int:
        """See `LogConsumerSet.batch_size`."""
        return self._batch_size.value

    async def prepare(self, connection: Connection, names: Collection[str]) -> None:
        """See `LogConsumerSet.prepare`."""
        await ensure_checkpoints(connection, [self._policies[name] for name in names])

    def rebuild(self, name: str, checkpoint: Checkpoint, head: int) -> Coroutine[Any, Any, object] | None:
        """Return None: the events before the checkpoint have had their effect."""
        return None
