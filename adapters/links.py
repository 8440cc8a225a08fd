"""Tokens in links that are sent by mail or shared, computed from the signing keys.

A token is its subject's id (16 bytes) and a MAC (32 bytes), as 64 characters of base64url (RFC 4648). The MAC is
HMAC-SHA-256 (RFC 2104) over the ids of subject and link, under a key that HKDF (RFC 5869) derives for the purpose.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import get_args
from uuid import UUID

from adapters.derived_keys import derived_key
from application.ports import LinkPurpose, LinkToken

ID_BYTES = 16
MAC_BYTES = 32
TOKEN_FORM = re.compile("[A-Za-z0-9_-]{64}")


class DerivedLinkTokens:
    """Implements `application.ports.LinkTokens`. The first of `keys` makes tokens; all of them are tried again.

    Each key has 32 bytes.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.use(keys)

    def use(self, keys: Sequence[bytes]) -> None:
        """Replace the keys."""
        purposes: tuple[LinkPurpose, ...] = get_args(LinkPurpose)
        self._keys = {purpose: [derived_key(key, f"link {purpose}") for key in keys] for purpose in purposes}

    def make(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID) -> LinkToken:
        """Return the token of a link, made with the current key."""
        return _token(self._keys[purpose][0], subject_id, link_id)

    def again(self, purpose: LinkPurpose, subject_id: UUID, link_id: UUID, digest: str) -> LinkToken | None:
        """Return the token with this digest, made earlier for this link; None: none of the keys has made it."""
        for key in self._keys[purpose]:
            link = _token(key, subject_id, link_id)
            if hmac.compare_digest(link.digest.encode(), digest.encode()):
                return link
        return None

    def read(self, token: str) -> LinkToken | None:
        """Return the subject that a token names and its digest; None: the text is no token. It may still be wrong."""
        if not TOKEN_FORM.fullmatch(token):
            return None
        return LinkToken(UUID(bytes=urlsafe_b64decode(token)[:ID_BYTES]), token, _digest(token))


def _token(key: bytes, subject_id: UUID, link_id: UUID) -> LinkToken:
    mac = hmac.digest(key, subject_id.bytes + link_id.bytes, hashlib.sha256)
    token = urlsafe_b64encode(subject_id.bytes + mac).decode()
    return LinkToken(subject_id, token, _digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
