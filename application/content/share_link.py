"""Use cases of share links: create and revoke them, and open a document by one."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.content.link_guesses import LinkGuesses
from application.content.link_guest import guest_of
from application.lookup import find
from application.ports import Actor, Clock, LinkTokens, NewId, Passwords, Store, TokenText
from domain.access import DOCUMENT
from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.refusals import ShareLinkNotValid, WrongLinkPassword
from domain.content.roles import Role, ShareRole
from domain.content.share_link import ShareLinks


@dataclass(frozen=True, slots=True)
class CreatedLink:
    """A new share link. `token`: shown here only, stored nowhere; give it to people in the fragment of a URL."""

    id: UUID
    token: TokenText
    role: ShareRole
    has_password: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """The document that a share link opens: its id, and the actor's role on it now."""

    id: UUID
    role: Role


class CreateShareLink(Command[CreatedLink]):
    """Create a link that gives a role on a document."""

    answers_secret: ClassVar[bool] = True

    id: UUID
    role: ShareRole
    password: str | None = None
    expires_at: datetime | None = None


class RevokeShareLink(Command[None]):
    """Revoke a share link: all who came by it lose the role that it gave them."""

    id: UUID
    link_id: UUID


class OpenShareLink(Command[OpenedDocument]):
    """Come to a document by the token of a share link."""

    token: str
    password: str | None = None


@handles
async def create_share_link(
    cmd: CreateShareLink,
    store: Store,
    actor: Actor,
    links: LinkTokens,
    passwords: Passwords,
    new_id: NewId,
    clock: Clock,
) -> CreatedLink:
    document = await store.get(Document, cmd.id)
    document.require("share", actor)
    all_links = await find(store, ShareLinks, ShareLinks.id_of(document.id)) or ShareLinks.start(document, now=clock())
    link_id = new_id()
    made = links.make("share", document.id, link_id)
    all_links.create(
        document,
        link_id=link_id,
        role=cmd.role,
        token_digest=made.digest,
        password_hash=None if cmd.password is None else await passwords.hash(cmd.password),
        expires_at=cmd.expires_at,
        by=actor,
        now=clock(),
    )
    store.save(all_links)
    return CreatedLink(link_id, TokenText(made.token), cmd.role, cmd.password is not None, cmd.expires_at)


@handles
async def revoke_share_link(cmd: RevokeShareLink, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    document.require("share", actor)
    all_links = await find(store, ShareLinks, ShareLinks.id_of(document.id))
    if all_links is not None:
        all_links.revoke(document, cmd.link_id, by=actor, now=clock())
        store.save(all_links)


@handles
async def open_share_link(
    cmd: OpenShareLink,
    store: Store,
    actor: Actor,
    links: LinkTokens,
    passwords: Passwords,
    guesses: LinkGuesses,
    clock: Clock,
) -> OpenedDocument:
    document, all_links, link_id = await _find(cmd.token, store, links, clock())
    link = all_links.links[link_id]
    if link["password_hash"] is not None:
        refusal = WrongLinkPassword("This link takes a password; ask the person who gave you the link.")
        if cmd.password is None:
            raise refusal  # no guess: nothing has told the client of the password before
        async with guesses.guess(link_id):
            if not await passwords.verify(cmd.password, link["password_hash"]):
                raise refusal
    role = document.role_of(actor)
    if role != "owner":
        store.save(await _joined(store, document, actor, link_id, clock()))
        role = link["role"] if role is None else DOCUMENT.highest([role, link["role"]])
    assert role is not None
    return OpenedDocument(document.id, role)


async def _find(token: str, store: Store, links: LinkTokens, now: datetime) -> tuple[Document, ShareLinks, UUID]:
    """Return the document that a token opens, its links, and the id of the one with this token.

    Raises:
        ShareLinkNotValid: the token opens nothing, for whatever reason.
    """
    not_valid = ShareLinkNotValid("This link is not valid, or not any more; ask the person who gave it to you.")
    named = links.read(token)
    if named is None:
        raise not_valid
    document = await find(store, Document, named.subject_id)
    if document is None or document.erased or document.trashed_at is not None:
        raise not_valid
    all_links = await find(store, ShareLinks, ShareLinks.id_of(document.id))
    link_id = None if all_links is None else all_links.find(named.digest, now)
    if all_links is None or link_id is None:
        raise not_valid
    return document, all_links, link_id


async def _joined(store: Store, document: Document, actor: Actor, link_id: UUID, now: datetime) -> LinkGuest:
    guest = await guest_of(store, document, actor)
    if guest is None:
        return LinkGuest.join(document_id=document.id, user_id=actor.user_id, link_id=link_id, now=now)
    guest.join_again(link_id=link_id, now=now)
    return guest
