"""Access to folders: everyone has their own, and members have those of their team. The path names one not there."""

from domain.access import TEAM
from tests.support.access.kernel import CASES, MAKERS, OUTSIDERS, VIEWS, Case, People
from tests.support.api import Account

MISSING = dict.fromkeys(OUTSIDERS, 404)
MISSING_IN_TEAM = dict.fromkeys(("owner", "editor", "viewer"), 404)


def make(people: People, owner: Account) -> str:
    """The folders of a team: of the one with every role in it, or of a new one."""
    return people.untouched(TEAM) if owner is people.by_role["owner"] else people.thing(TEAM, owner)


MAKERS["team folder"] = make
VIEWS["team folder"] = "/v1/teams/{}/folders"

CASES += [
    Case("list_folders"),
    Case("create_folder", lambda _: {"name": "Novels"}),
    Case("get_folder", states=MISSING),
    Case("rename_folder", lambda _: {"name": "Letters"}, states=MISSING),
    Case("move_folder", lambda _: {"parent_id": None}, states=MISSING),
    Case("delete_folder", states=MISSING),
    Case("list_team_folders"),
    Case("create_team_folder", lambda _: {"name": "Novels"}),
    Case("get_team_folder", states=MISSING_IN_TEAM),
    Case("rename_team_folder", lambda _: {"name": "Letters"}, states=MISSING_IN_TEAM),
    Case("move_team_folder", lambda _: {"parent_id": None}, states=MISSING_IN_TEAM),
    Case("delete_team_folder", states=MISSING_IN_TEAM),
]
