"""Port to the tokens in links: those that are sent by mail, and share links."""

from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

LinkPurpose = Literal["verify", "reset", "new_email", "old_email", "undo_email", "lockdown", "share", "domain"]


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A token that names its subject, and its digest (SHA-256, hexadecimal), which alone is stored.

    The subject is the user whom a mail is for, the document that a share link opens, or the team that a mail proves a
    domain for.
    """

    subject_id: UUID
    token: str = field(repr=False)
    digest: str


class LinkTokens(Protocol):
    """Makes and reads tokens that cannot be guessed. A token is computed from our keys: it is stored nowhere."""

    def make(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID) -> LinkToken:
        """Return the token of a link."""

    def again(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID, digest: str) -> LinkToken | None:
        """Return the token with this digest, made earlier for this link; None: its key was replaced since."""

    def read(self, token: str) -> LinkToken | None:
        """Return the subject that a token names and its digest; None: the text is no token. It may still be wrong."""
