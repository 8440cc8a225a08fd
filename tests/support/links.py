"""Tokens of links without keys, for tests of use cases."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

from application.ports import LinkPurpose, LinkToken


class PlainLinks:
    """Implements `application.ports.LinkTokens`: anyone could compute these. Tests `forget` what made earlier ones."""

    def __init__(self) -> None:
        self._key = 0

    def forget(self) -> None:
        """Replace the key: earlier tokens cannot be made again."""
        self._key += 1

    def make(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID) -> LinkToken:
        secret = sha256(b"%d %s %s" % (self._key, purpose.encode(), link_id.bytes)).digest()
        return _link(subject_id, urlsafe_b64encode(subject_id.bytes + secret).decode())

    def again(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID, digest: str) -> LinkToken | None:
        link = self.make(purpose, subject_id, link_id)
        return link if link.digest == digest else None

    def read(self, token: str) -> LinkToken | None:
        try:
            return _link(UUID(bytes=urlsafe_b64decode(token)[:16]), token)
        except ValueError:
            return None


def _link(subject_id: UUID, token: str) -> LinkToken:
    return LinkToken(subject_id, token, sha256(token.encode()).hexdigest())
