"""Settings of a team: who may ask to join it."""

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from domain.access import Person
from domain.kernel import Root

if TYPE_CHECKING:
    from domain.teams.team import Team

JoinRule = Literal["invited_only", "by_request", "by_request_from_domains"]
"""Who may ask to join: no person, as members are invited; each user; or holders of addresses of proved domains."""

DomainRole = Literal["editor", "viewer", "guest"]

UNCHANGED: Final = "unchanged"


class TeamSettingsChanged(Root.Event):
    """The settings from now on, all of them."""

    TOPIC = "team.settings_changed"
    join: JoinRule
    domain_role: DomainRole | None = None

    def apply(self, aggregate: "Team") -> None:
        aggregate.join = self.join
        aggregate.domain_role = self.domain_role
        aggregate.settings_version = self.originator_version


def change_settings(
    team: "Team",
    *,
    join: JoinRule | None = None,
    domain_role: DomainRole | Literal["unchanged"] | None = UNCHANGED,
    by: Person,
    now: datetime,
) -> None:
    """Change settings; a `join` that is None, and a role that is `UNCHANGED`, stay. Without a change: no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
    """
    team.require("change_settings", by, now)
    join = join or team.join
    domain_role = team.domain_role if domain_role == UNCHANGED else domain_role
    if (join, domain_role) != (team.join, team.domain_role):
        team.trigger_event(team.SettingsChanged, now=now, join=join, domain_role=domain_role)
