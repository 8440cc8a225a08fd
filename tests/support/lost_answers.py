"""A role whose refreshes get no answer: `python -m tests.support.lost_answers ROLE`. Each stops after its rotation."""

import asyncio
from datetime import datetime

from application.ports import Client, RefreshToken, Session
from infra.cli.main import main as palimpsest
from infra.sessions.store import PostgresSessions


def main() -> None:
    """Let each rotation end, and nothing follow it; then run the role."""
    rotate = PostgresSessions.rotate

    async def rotate_and_stop(
        self: PostgresSessions, session: Session, token: RefreshToken, client: Client, now: datetime
    ) -> bool:
        await rotate(self, session, token, client, now)
        await asyncio.Event().wait()
        return True

    PostgresSessions.rotate = rotate_and_stop  # type: ignore[method-assign]
    palimpsest()


if __name__ == "__main__":
    main()
