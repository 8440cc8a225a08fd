"""Access to documents."""

from adapters.http.content.document import ContentEdits
from domain.access import DOCUMENT
from tests.support.access.kernel import CASES, MAKERS, NOTHING, OUTSIDERS, PUBLIC, Case, People
from tests.support.api import Account


def make(people: People, owner: Account) -> str:
    """A document, shared with every role if it is the owner's."""
    path = owner.document()
    if owner is people.by_role["owner"]:
        for role, given in {**{role: role for role in DOCUMENT.roles[1:]}, "unverified": "editor"}.items():
            owner.write("POST", f"{path}/shares", json={"email": people.email(role), "role": given})
    return path.rpartition("/")[2]


def share(people: People) -> dict[str, str]:
    """A share of the viewer."""
    return {"email": people.email("viewer"), "role": "viewer"}


MAKERS["document"] = make
PUBLIC.add("get_public_document")
CASES += [
    Case("list_documents"),
    Case("list_document_history"),
    Case("list_document_changes"),
    Case("list_recent_documents"),
    Case("clear_recent_documents"),
    Case("change_documents", lambda people: {"ids": [NOTHING], "action": "archive"}),
    Case("create_document", lambda _: {"title": "New"}),
    Case("get_document"),
    Case("list_versions"),
    Case("get_version"),
    Case("compare_versions", query={"from": "1", "to": "1"}),
    Case("blame_version"),
    Case("change_document", lambda _: {"title": "B", "content": "B", "status": "draft"}),
    Case("patch_document", lambda _: {"title": "B"}),
    Case(
        "patch_document",
        lambda _: {"edits": [{"at": 0, "delete": 0, "insert": "B"}]},
        note="with edits",
        headers={"Content-Type": ContentEdits.MEDIA_TYPE, "If-Match": '"1"'},
    ),
    Case("duplicate_document", lambda _: {}),
    Case("restore_version"),
    Case("name_version", lambda _: {"name": "First"}),
    Case("unname_version"),
    Case("list_shares"),
    Case("share_document", share),
    Case("change_share", share),
    Case("revoke_share", lambda people: {"email": people.email("viewer")}),
    Case("get_filing"),
    Case("file_document", lambda _: {"folder_id": None}),
    Case("tag_document", lambda _: {"tags": ["novel"]}),
    Case("star_document"),
    Case("unstar_document"),
    Case("archive_document"),
    Case("unarchive_document"),
    Case("get_publication", states={"owner": 404}),
    Case("publish_document", lambda _: {}),
    Case("withdraw_document"),
    Case("list_access"),
    Case("get_own_access"),
    Case("list_share_links"),
    Case("create_share_link", lambda _: {"role": "viewer"}),
    Case("revoke_share_link"),
    Case("open_share_link", lambda _: {"token": "A" * 64}, states=dict.fromkeys(OUTSIDERS, 404)),
    Case("list_own_access_requests"),
    Case("ask_for_access", lambda _: {"role": "editor"}, states={"unverified": 403}),
    Case("withdraw_access_request"),
    Case("list_access_requests"),
    Case("accept_access_request", lambda _: {}, states={"owner": 404}),
    Case("decline_access_request", states={"owner": 404}),
    Case("list_made_offers"),
    Case("list_received_offers"),
    Case("get_document_offer", states={"owner": 404}),
    Case("offer_document", lambda _: {"email": "somebody.else@example.org"}),
    Case("withdraw_document_offer"),
    Case("offer_document_to_team", lambda _: {"team_id": NOTHING}, states={"owner": 404}),
    Case("list_team_shares"),
    Case("lend_document", lambda _: {"role": "viewer"}, states={"owner": 404}),
    Case("take_document_back"),
    Case("offer_lent_documents", states=dict.fromkeys(OUTSIDERS, 404)),
    Case("accept_document", states=dict.fromkeys(OUTSIDERS, 404)),
    Case("decline_document", states=dict.fromkeys(OUTSIDERS, 404)),
    Case("leave_document", states={"owner": 409}),
    Case("trash_document"),
    Case("restore_document"),
]
