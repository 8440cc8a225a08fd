"""A team with a member of each role, and what they may do with what belongs to it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from application.billing.subscription import ChangePlan
from application.commands import Command
from application.content.document import CreateDocument, DocumentView
from application.ports import Actor
from application.teams.invitation import AcceptInvitation, InviteMember
from application.teams.team import FoundTeam
from domain.kernel import Forbidden, NotFound
from domain.teams.roles import RANKING
from tests.support.use_cases import CommandRunner


class Crew:
    """A team of a runner, with a member of each role and a stranger, and its documents."""

    def __init__(self, runner: CommandRunner, people: dict[str, Actor], id: UUID) -> None:
        self.runner, self.people, self.id = runner, people, id

    async def does(self, who: str, command: Command[Any]) -> str:
        """Send a command as somebody; answer "done" or why not."""
        try:
            await self.runner.ask(command, replace(self.people[who], lent={}))
        except NotFound:
            return "not found"
        except Forbidden as refused:
            return refused.code
        return "done"

    async def outcomes(self, command: Command[Any]) -> dict[str, str]:
        """Send a command as each person; answer what comes of it."""
        return {who: await self.does(who, command) for who in self.people}

    async def write(self, who: str = "editor") -> DocumentView:
        """Create a document of the team."""
        return await self.runner.ask(CreateDocument(title="Plan", team_id=self.id), self.people[who])


async def open_crew() -> Crew:
    """Found a crew with a member of each role; its owner has the plan pro."""
    runner = CommandRunner()
    names = [*RANKING, "stranger"]
    people = {name: await runner.actor(f"{name}@example.org") for name in names}
    await runner.ask(ChangePlan(plan="pro"), people["owner"])
    founded = await runner.ask(FoundTeam(name="Crew", slug="crew"), people["owner"])
    for role in ("admin", "editor", "viewer", "guest"):
        await runner.ask(InviteMember(id=founded.id, email=f"{role}@example.org", role=role), people["owner"])
        await runner.ask(AcceptInvitation(id=founded.id), people[role])
    return Crew(runner, people, founded.id)


OUTSIDERS = {"guest": "not found", "stranger": "not found"}
READERS = {"owner": "done", "admin": "done", "editor": "done", "viewer": "done", **OUTSIDERS}
EDITORS = {**READERS, "viewer": "role_too_low"}
OWNERS = {**EDITORS, "editor": "role_too_low"}
