"""What use cases share about links: tokens are made for events that keep their digests, and name their users."""

from datetime import datetime
from uuid import UUID

from application.ports import LinkTokens, NewId, Store
from domain.identity.links import LinkKind, RequestedKind, link_not_valid
from domain.identity.suspension import issue_lockdown_link
from domain.identity.user import User
from domain.kernel import NotFound


class LinkIssuer:
    """Issues links: makes the tokens whose digests the events keep."""

    def __init__(self, tokens: LinkTokens, new_id: NewId, now: datetime) -> None:
        self._tokens = tokens
        self._new_id = new_id
        self._now = now

    def issue(self, user: User, kind: RequestedKind | None) -> None:
        """Issue a link of this kind; None: the user needs none."""
        if kind is not None:
            link_id, digest = self.digest(user, kind)
            user.request_link(kind, link_id=link_id, token_digest=digest, now=self._now)

    def issue_lockdown(self, user: User) -> None:
        """Issue a link to lock the account, unless there is one that can be sent again."""
        link_id, digest = self.digest(user, "lockdown")
        issue_lockdown_link(user, link_id=link_id, token_digest=digest, now=self._now)

    def digest(self, user: User, kind: LinkKind) -> tuple[UUID, str]:
        """Return the id of a new link, and the digest of its token."""
        link_id = self._new_id()
        return link_id, self._tokens.make(kind, user.id, link_id).digest


async def bearer_of(token: str, store: Store, links: LinkTokens) -> tuple[User, str]:
    """Return the user that a token names, and its digest. Whether the token is right is still to be seen.

    Raises:
        LinkNotValid: it names no user.
    """
    link = links.read(token)
    if link is None:
        raise link_not_valid()
    try:
        return await store.get(User, link.subject_id), link.digest
    except NotFound:
        raise link_not_valid() from None
