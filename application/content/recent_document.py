"""Use case of recently viewed documents: forget them. A view is noted by the read itself, and is no command."""

from application.commands import Command, handles
from application.ports import Actor, RecentDocuments


class ClearRecentDocuments(Command[None]):
    """Forget which documents the actor has viewed."""


@handles
async def clear_recent_documents(cmd: ClearRecentDocuments, actor: Actor, recent: RecentDocuments) -> None:
    await recent.clear(actor.user_id)
