"""Settings of a team: who may ask to join it."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from domain.access import Person
from domain.kernel import Root

if TYPE_CHECKING:
    from domain.teams.team import Team

JoinRule = Literal["invited_only", "by_request"]
"""Who may ask to join: no person, as members are invited; or each user with a verified address."""


class TeamSettingsChanged(Root.Event):
    """The settings from now on, all of them."""

    TOPIC = "team.settings_changed"
    join: JoinRule

    def apply(self, aggregate: "Team") -> None:
        aggregate.join = self.join
        aggregate.settings_version = self.originator_version


def change_settings(team: "Team", *, join: JoinRule | None = None, by: Person, now: datetime) -> None:
    """Change settings; what is None stays. If they are as before, there is no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
    """
    team.require("change_settings", by, now)
    join = join or team.join
    if join != team.join:
        team.trigger_event(team.SettingsChanged, now=now, join=join)
