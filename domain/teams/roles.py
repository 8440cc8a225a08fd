"""Roles of members. What each may do is in `domain/access.py`."""

from collections.abc import Mapping
from typing import Any, Literal, get_args
from uuid import UUID

Role = Literal["owner", "admin", "editor", "viewer", "guest"]
InvitedRole = Literal["admin", "editor", "viewer", "guest"]

RANKING: tuple[Role, ...] = get_args(Role)
"""From the highest to the lowest."""


def rename_member(state: dict[str, Any]) -> None:
    """Change the stored role `member` to `editor`: before there were editors, viewers and guests, it was the lowest."""
    if state["role"] == "member":
        state["role"] = "editor"


def successor(members: Mapping[UUID, Role]) -> UUID | None:
    """Return who becomes the owner of a team without one; None: no member can.

    It is a member of the highest role, and of these the one who joined first. A guest becomes no owner.
    """
    able = [user_id for user_id, role in members.items() if role != "guest"]
    return min(able, key=lambda user_id: RANKING.index(members[user_id]), default=None)
