"""A full life of each aggregate: every kind of event it has, decided by its commands."""

from datetime import timedelta
from uuid import UUID

from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Root
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of, person

ADA, BOB, EVE = map(person, range(1, 4))
LATER = NOW + timedelta(hours=1)


def user() -> User:
    """Registered, verified, changed and deactivated."""
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.verify_email(now=LATER)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/ada.png", now=LATER)
    user.change_password(password_hash="other hash", now=LATER)
    user.deactivate(now=LATER)
    return user


def subscription() -> Subscription:
    """Started, used, paid for, cancelled."""
    subscription = Subscription.start(user_id=ADA.user_id, now=NOW)
    for number in (10, 11):
        subscription.use(UUID(int=number), now=LATER)
    subscription.release(UUID(int=10), now=LATER)
    subscription.change_plan("pro", now=LATER)
    subscription.cancel(now=LATER)
    return subscription


def document() -> Document:
    """Written, shared, changed, published, trashed, brought back, restored and archived."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        document.share(address_id=address_of(somebody), email=email, role="viewer", by=ADA, now=LATER)
    document.change_share(address_id=address_of(BOB), role="editor", by=ADA, now=LATER)
    document.revoke_share(address_id=address_of(EVE), by=ADA, now=LATER)
    first = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    document.change(title="Another", content="one 😀 two three", status="published", by=BOB, now=LATER)
    document.trash(by=ADA, now=LATER)
    document.restore_from_trash(by=ADA, now=LATER)
    document.restore_version(first, by=BOB, now=LATER)
    document.change(title="A title", content="one two", status="archived", by=ADA, now=LATER)
    return document


def team() -> Team:
    """Founded, joined, managed, handed over and dissolved."""
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    team.rename("Band", by=ADA, now=LATER)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        team.invite(address_id=address_of(somebody), email=email, role="member", by=ADA, now=LATER)
        team.accept(by=somebody, now=LATER)
    team.change_role(user_id=EVE.user_id, role="admin", by=ADA, now=LATER)
    for number in (4, 5, 6):
        team.invite(
            address_id=address_of(person(number)), email=f"{number}@example.org", role="member", by=EVE, now=LATER
        )
        if number == 5:
            team.revoke_invitation(address_id=address_of(person(5)), by=EVE, now=LATER)
        if number == 4:
            team.decline(by=person(4), now=LATER)
    team.remove(user_id=BOB.user_id, by=EVE, now=LATER)
    team.transfer_ownership(user_id=EVE.user_id, by=ADA, now=LATER)
    team.leave(by=ADA, now=LATER)
    team.dissolve(by=EVE, now=LATER)
    return team


LIVES: list[Root] = [user(), subscription(), document(), team()]
