"""Access to teams."""

from uuid import uuid4

from tests.support.access.kernel import CASES, MAKERS, PUBLIC, Case, People
from tests.support.api import Account

JOINED = ("admin", "editor", "viewer", "guest")
INVITED = {**dict(zip(JOINED, JOINED, strict=True)), "invited": "editor", "unverified": "admin"}
IS_LAST_OWNER = {"owner": 409}
NO_OFFER_YET = dict.fromkeys(("owner", "admin", "editor", "viewer"), 404)
NOT_OFFERED = dict.fromkeys(("owner", *JOINED), 409)
SENT_JUST_NOW = dict.fromkeys(("owner", "admin"), 409)
NO_REQUEST = dict.fromkeys(("owner", "admin"), 404)
NO_INVITATION = dict.fromkeys(("owner", *JOINED), 404)


def make(people: People, owner: Account) -> str:
    """A team, with every role in it if it is the owner's."""
    path = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": uuid4().hex}).headers["Location"]
    if owner is people.by_role["owner"]:
        for role, given in INVITED.items():
            owner.write("POST", f"{path}/invitations", json={"email": people.email(role), "role": given})
        for role in JOINED:
            accepted = people.by_role[role].write("POST", f"{path}/invitations/accept")
            owner.client.headers["Consistency-Token"] = accepted.headers["Consistency-Token"]
    return str(path).rpartition("/")[2]


def invitation(people: People) -> dict[str, str]:
    """An invitation with another role: the address holds a seat already."""
    return {"email": people.email("invited"), "role": "admin"}


MAKERS["team"] = make
PUBLIC.add("prove_domain_by_mail")
CASES += [
    Case("list_teams"),
    Case("found_team", lambda _: {"name": "New", "slug": uuid4().hex}),
    Case("get_team"),
    Case("list_members"),
    Case("rename_team", lambda _: {"name": "B"}),
    Case("change_slug", lambda _: {"slug": uuid4().hex}),
    Case("list_activity"),
    Case("list_team_history"),
    Case("list_domains"),
    Case("add_domain", lambda _: {"name": f"{uuid4().hex}.example"}),
    Case("prove_domain", states=dict.fromkeys(("owner", "admin"), 404)),
    Case("request_domain_mail", states={"owner": 404, "admin": 404}),
    Case("remove_domain"),
    Case("get_team_settings"),
    Case("change_team_settings", lambda _: {"join": "by_request"}),
    Case("get_team_usage"),
    Case("get_team_statement"),
    Case("limit_team_budget", lambda _: {"tokens": 1_000, "micros": None}),
    Case("limit_member_budget", lambda _: {"tokens": None, "micros": 5}),
    Case("list_own_join_requests"),
    Case("ask_to_join", lambda _: {"team": uuid4().hex}, states={"unverified": 403}),
    Case("withdraw_join_request"),
    Case("list_join_requests"),
    Case("accept_join_request", lambda _: {"role": "viewer"}, states=NO_REQUEST),
    Case("decline_join_request", states=NO_REQUEST),
    Case("invite_member", lambda _: {"email": "somebody.else@example.org", "role": "viewer"}),
    Case("invite_members", lambda people: {"invitations": [invitation(people)]}),
    Case("resend_invitation", lambda people: {"email": people.email("invited")}, SENT_JUST_NOW),
    Case("list_invitations"),
    Case("list_own_invitations"),
    Case("revoke_invitation", lambda people: {"email": people.email("invited")}),
    Case("accept_invitation"),
    Case("decline_invitation", states=NO_INVITATION),
    Case("change_member_role", lambda _: {"role": "admin"}),
    Case("change_member_role", lambda _: {"role": "owner"}, note="to owner", action="manage_owners"),
    Case("change_member_role", lambda _: {"role": "admin"}, IS_LAST_OWNER, "owner", "of owner", action="manage_owners"),
    Case("remove_member"),
    Case("remove_member", states=IS_LAST_OWNER, about="owner", note="an owner", action="manage_owners"),
    Case("leave_team", states=IS_LAST_OWNER),
    Case("offer_ownership", lambda people: {"user_id": str(people.by_role["editor"].id)}),
    Case("withdraw_ownership_offer"),
    Case("get_ownership_offer", states=NO_OFFER_YET),
    Case("accept_ownership", states=NOT_OFFERED),
    Case("decline_ownership", states=NOT_OFFERED),
    Case("preview_leaving"),
    Case("preview_removal"),
    Case("preview_dissolution"),
    Case("dissolve_team"),
    Case("withdraw_dissolution"),
]
