"""Roles on a document. What each may do is in `domain/access.py`."""

from typing import Literal

ShareRole = Literal["editor", "commenter", "viewer"]
Role = Literal["owner", "editor", "commenter", "viewer"]
