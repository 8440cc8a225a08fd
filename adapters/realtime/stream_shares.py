"""How many event streams may be open, shared fairly between users and networks; a part is kept for newcomers."""

from collections import Counter
from uuid import UUID

from adapters.http.api.problems import TooManyStreams


class StreamShares:
    """Counts open streams: at most `total`, ten of a user, half of all from one network.

    The last quarter is for users who have no stream, from networks with less than a twentieth: so a crowd of accounts
    at a few addresses does not keep all others out.
    """

    def __init__(self, total: int = 1_000, per_user: int = 10) -> None:
        self.open = 0
        self._total, self._per_user = total, per_user
        self._per_network = total // 2
        self._unreserved = total * 3 // 4
        self._newcomers = max(1, total // 20)
        self._users: Counter[UUID] = Counter()
        self._networks: Counter[str] = Counter()

    def take(self, user_id: UUID, network: str) -> None:
        """Count one more stream.

        Raises:
            TooManyStreams
        """
        if self._users[user_id] >= self._per_user:
            raise _refusal("You have too many streams open; close one of them.")
        if self._networks[network] >= self._per_network:
            raise _refusal("Too many streams are open from your network; close one of them.")
        is_newcomer = not self._users[user_id] and self._networks[network] < self._newcomers
        if self.open >= self._total or (self.open >= self._unreserved and not is_newcomer):
            raise _refusal("Too many streams are open; try again later.")
        self.open += 1
        self._users[user_id] += 1
        self._networks[network] += 1

    def give_back(self, user_id: UUID, network: str) -> None:
        """Count one less."""
        self.open -= 1
        self._users[user_id] -= 1
        self._networks[network] -= 1
        if not self._users[user_id]:
            del self._users[user_id]
        if not self._networks[network]:
            del self._networks[network]


def _refusal(detail: str) -> TooManyStreams:
    return TooManyStreams(detail, {"Retry-After": "30"})
