"""Access to documents."""

from domain.access import DOCUMENT
from tests.support.access.kernel import CASES, MAKERS, Case, People
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
CASES += [
    Case("list_documents", DOCUMENT, "list"),
    Case("create_document", DOCUMENT, "create", lambda _: {"title": "New"}),
    Case("get_document", DOCUMENT, "read"),
    Case("list_versions", DOCUMENT, "read"),
    Case("get_version", DOCUMENT, "read"),
    Case("change_document", DOCUMENT, "edit", lambda _: {"title": "B", "content": "B", "status": "draft"}),
    Case("restore_version", DOCUMENT, "edit"),
    Case("list_shares", DOCUMENT, "list_shares"),
    Case("share_document", DOCUMENT, "share", share),
    Case("change_share", DOCUMENT, "share", share),
    Case("revoke_share", DOCUMENT, "share", lambda people: {"email": people.email("viewer")}),
    Case("leave_document", DOCUMENT, "leave", states={"owner": 409}),
    Case("trash_document", DOCUMENT, "trash"),
    Case("restore_document", DOCUMENT, "restore"),
]
