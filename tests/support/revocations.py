"""What is revoked under load: sessions that end, and access to documents and teams that is taken away."""

from uuid_utils.compat import uuid7

from application.identity.account import IssueLockdownLink
from tests.support.http import PASSWORD
from tests.support.revoking import Revocation, Scene


async def change_address(scene: Scene) -> None:
    """Change Bob's address, confirmed from both."""
    wanted = {"new_email": f"{uuid7()}@example.org", "current_password": PASSWORD}
    await scene.other_bob.send("POST", f"{scene.url}/v1/users/me/email", wanted)
    for kind in ("old_email", "new_email"):
        await scene.other_bob.send("POST", f"{scene.url}/v1/auth/confirm-email", await scene.link_of_bob(kind))


async def lock_down(scene: Scene) -> None:
    """Lock Bob's account by the link of a mail."""
    await scene.command(IssueLockdownLink(user_id=scene.bob_id))
    await scene.ada.send("POST", f"{scene.url}/v1/auth/lockdown", await scene.link_of_bob("lockdown"))


async def request_deletion(scene: Scene) -> None:
    """Ask for the deletion of Bob's account."""
    await scene.other_bob.send("DELETE", f"{scene.url}/v1/users/me", {"current_password": PASSWORD})


async def write_another(scene: Scene, team_id: str | None = None) -> None:
    """Let Ada write a document, her own or the team's."""
    made = await scene.ada.send("POST", f"{scene.url}/v1/documents", {"title": "Notes", "team_id": team_id})
    scene.other_document = made.headers["Location"]


async def open_link(scene: Scene) -> None:
    """Let Bob come to a new document by a link."""
    await write_another(scene)
    path = f"{scene.other_document}/links"
    link = (await scene.ada.send("POST", f"{scene.url}{path}", {"role": "editor"})).json()
    scene.link = f"{path}/{link['id']}"
    await scene.bob.send("POST", f"{scene.url}/v1/share-links/open", {"token": link["token"]})


async def accept_access(scene: Scene) -> None:
    """Let Bob ask for access to a new document, and Ada accept it."""
    await write_another(scene)
    path = f"{scene.url}{scene.other_document}/access-requests"
    await scene.bob.send("POST", path, {"role": "editor"})
    await scene.ada.send("POST", f"{path}/{scene.bob_id}/accept", {})


async def lend_to_team(scene: Scene) -> None:
    """Lend a new document to the team."""
    await write_another(scene)
    await scene.ada.send("PUT", f"{scene.url}{_loan(scene)}", {"role": "editor"})


async def write_for_team(scene: Scene) -> None:
    """Write a new document of the team."""
    await write_another(scene, _id_of(scene.team))


async def lower_role(scene: Scene) -> None:
    """Make Bob, who is an admin of the team, an editor."""
    await scene.ada.send("PUT", f"{scene.url}{scene.team}/members/{scene.bob_id}", {"role": "editor"})


async def remove_member(scene: Scene) -> None:
    """Remove Bob from the team."""
    await scene.ada.send("DELETE", f"{scene.url}{scene.team}/members/{scene.bob_id}")


def _loan(scene: Scene) -> str:
    return f"{scene.other_document}/team-shares/{_id_of(scene.team)}"


def _id_of(path: str) -> str:
    return path.rpartition("/")[2]


PASSWORDS = {"current_password": PASSWORD, "new_password": "another sentence to know"}
ENDED_SESSIONS = {
    "session revoked": Revocation(
        "GET",
        lambda scene: "/v1/users/me",
        lambda scene: scene.other_bob.send("DELETE", f"{scene.url}/v1/users/me/sessions/{scene.bob.session_id}"),
    ),
    "logged out": Revocation(
        "GET", lambda scene: "/v1/users/me", lambda scene: scene.bob.send("POST", f"{scene.url}/v1/auth/logout")
    ),
    "password changed": Revocation(
        "GET",
        lambda scene: "/v1/users/me",
        lambda scene: scene.other_bob.send("POST", f"{scene.url}/v1/users/change-password", PASSWORDS),
    ),
    "address changed": Revocation("GET", lambda scene: "/v1/users/me", change_address),
    "locked down": Revocation("GET", lambda scene: "/v1/users/me", lock_down),
    "deletion requested": Revocation("GET", lambda scene: scene.document, request_deletion),
    "deletion of the owner requested": Revocation(
        "GET", lambda scene: scene.bobs_document, request_deletion, sender=lambda scene: scene.ada
    ),
}
"""Processes may hold sessions in memory under their leases."""

TAKEN_ACCESS = {
    "share revoked": Revocation(
        "GET",
        lambda scene: scene.document,
        lambda scene: scene.ada.send("POST", f"{scene.url}{scene.document}/shares/revoke", {"email": scene.bob.email}),
    ),
    "share lowered": Revocation(
        "PUT",
        lambda scene: scene.document,
        lambda scene: scene.ada.send(
            "PUT", f"{scene.url}{scene.document}/shares", {"email": scene.bob.email, "role": "viewer"}
        ),
        per_second=10,
        body={"title": "Notes", "content": "Otters.", "status": "draft"},
    ),
    "share link revoked": Revocation(
        "GET",
        lambda scene: scene.other_document,
        lambda scene: scene.ada.send("DELETE", f"{scene.url}{scene.link}"),
        prepare=open_link,
    ),
    "guest left": Revocation(
        "GET",
        lambda scene: scene.other_document,
        lambda scene: scene.bob.send("DELETE", f"{scene.url}{scene.other_document}/shares/me"),
        prepare=open_link,
    ),
    "role changed": Revocation("GET", lambda scene: f"{scene.team}/settings", lower_role),
    "role of a writer changed": Revocation(
        "PUT",
        lambda scene: scene.team,
        lower_role,
        per_second=10,
        body={"name": "Crew"},
    ),
    "member removed": Revocation("GET", lambda scene: scene.team, remove_member),
    "accepted access revoked": Revocation(
        "GET",
        lambda scene: scene.other_document,
        lambda scene: scene.ada.send(
            "POST", f"{scene.url}{scene.other_document}/shares/revoke", {"email": scene.bob.email}
        ),
        prepare=accept_access,
    ),
    "document taken back": Revocation(
        "GET",
        lambda scene: scene.other_document,
        lambda scene: scene.ada.send("DELETE", f"{scene.url}{_loan(scene)}"),
        prepare=lend_to_team,
    ),
    "reader of a team's document removed": Revocation(
        "GET", lambda scene: scene.other_document, remove_member, prepare=write_for_team
    ),
    "reader of a lent document removed": Revocation(
        "GET", lambda scene: scene.other_document, remove_member, prepare=lend_to_team
    ),
    "dissolution requested": Revocation(
        "PUT",
        lambda scene: scene.other_document,
        lambda scene: scene.ada.send("DELETE", f"{scene.url}{scene.team}"),
        per_second=10,
        body={"title": "Notes", "content": "Otters.", "status": "draft"},
        prepare=write_for_team,
    ),
}

REVOCATIONS = {**ENDED_SESSIONS, **TAKEN_ACCESS}
