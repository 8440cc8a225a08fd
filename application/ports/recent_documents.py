"""Port to the documents that users have viewed last. They are no events: nothing depends on them."""

from typing import Protocol
from uuid import UUID


class RecentDocuments(Protocol):
    """Keeps for each user the documents that they viewed last, each with the time of its last view."""

    def note(self, user_id: UUID, document_id: UUID) -> None:
        """Note a view soon, without a wait. A repeat within a minute is not noted.

        If the process ends abruptly, or the database does not answer, views are lost.
        """

    async def clear(self, user_id: UUID) -> None:
        """Forget all views of a user. One that another process has noted within the last second may follow.

        Raises:
            Unavailable: the database does not answer.
        """
