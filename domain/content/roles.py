"""Roles on a document. What each may do is in `domain/access.py`."""

from typing import Literal, TypedDict

ShareRole = Literal["editor", "commenter", "viewer"]
Role = Literal["owner", "editor", "commenter", "viewer"]


class TeamShare(TypedDict):
    """A loan to a team. `membership`: of the lender, as `Team.joined` has it."""

    role: ShareRole
    membership: int
