"""Access to teams."""

from uuid import uuid4

from domain.access import TEAM
from tests.support.access.kernel import CASES, MAKERS, Case, People
from tests.support.api import Account

INVITED = {"admin": "admin", "member": "member", "invited": "member", "unverified": "admin"}
IS_LAST_OWNER = {"owner": 409}
NO_INVITATION = {"owner": 404, "admin": 404, "member": 404}


def make(people: People, owner: Account) -> str:
    """A team, with every role in it if it is the owner's."""
    path = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": uuid4().hex}).headers["Location"]
    if owner is people.by_role["owner"]:
        for role, given in INVITED.items():
            owner.write("POST", f"{path}/invitations", json={"email": people.email(role), "role": given})
        for role in ("admin", "member"):
            accepted = people.by_role[role].write("POST", f"{path}/invitations/accept")
            owner.client.headers["Consistency-Token"] = accepted.headers["Consistency-Token"]
    return str(path).rpartition("/")[2]


def invitation(people: People) -> dict[str, str]:
    """An invitation with another role: the address holds a seat already, and a team has five."""
    return {"email": people.email("invited"), "role": "admin"}


MAKERS["team"] = make
CASES += [
    Case("list_teams", TEAM, "list"),
    Case("found_team", TEAM, "found", lambda _: {"name": "New", "slug": uuid4().hex}),
    Case("get_team", TEAM, "read"),
    Case("list_members", TEAM, "list_members"),
    Case("rename_team", TEAM, "rename", lambda _: {"name": "B"}),
    Case("invite_member", TEAM, "invite", invitation),
    Case("revoke_invitation", TEAM, "revoke_invitation", lambda people: {"email": people.email("invited")}),
    Case("accept_invitation", TEAM, "answer_invitation"),
    Case("decline_invitation", TEAM, "answer_invitation", states=NO_INVITATION),
    Case("change_member_role", TEAM, "manage_members", lambda _: {"role": "admin"}),
    Case("change_member_role", TEAM, "manage_owners", lambda _: {"role": "owner"}, note="to owner"),
    Case("change_member_role", TEAM, "manage_owners", lambda _: {"role": "admin"}, IS_LAST_OWNER, "owner", "of owner"),
    Case("remove_member", TEAM, "manage_members"),
    Case("remove_member", TEAM, "manage_owners", states=IS_LAST_OWNER, about="owner", note="an owner"),
    Case("leave_team", TEAM, "leave", states=IS_LAST_OWNER),
    Case("transfer_ownership", TEAM, "transfer", lambda people: {"user_id": str(people.by_role["member"].id)}),
    Case("dissolve_team", TEAM, "dissolve"),
]
