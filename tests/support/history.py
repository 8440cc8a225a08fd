"""A made-up history through the real aggregates: the same for the same seed, and every kind of event in it."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.ports import Actor
from domain.billing.subscription import Subscription
from domain.content.document import Document, ShareRole, Status
from domain.identity.user import User
from domain.kernel import Refusal, Root
from domain.teams.team import InvitedRole, Team

WORDS = ["otter", "heron", "naïve", "río", "雨", "“quoted”", "tab\tstop", "line\nbreak", "back\\slash", "e\u0301"]
STATUSES: list[Status] = ["draft", "published", "archived"]
ROLES: list[ShareRole] = ["editor", "commenter", "viewer"]
INVITED: list[InvitedRole] = ["admin", "member"]
PLANS = ["free", "pro", "enterprise"]


class History:
    """Makes one change after the other. Hand what `changes` yields to a store, in order."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._now = datetime(2026, 11, 1, tzinfo=UTC)
        self.users: list[User] = []
        self.subscriptions: list[Subscription] = []
        self.documents: list[Document] = []
        self.teams: list[Team] = []

    def changes(self, count: int) -> Iterator[list[Root]]:
        """`count` times the aggregates that changed together, with their news pending."""
        made = 0
        while made < count:
            self._now += timedelta(minutes=self._random.randrange(1, 90), microseconds=self._random.randrange(10**6))
            try:
                roots = [root for root in self._step() if root.pending_events]
            except Refusal:
                continue
            if roots:
                made += 1
                yield roots

    def _step(self) -> list[Root]:
        if not self.users or self._random.random() < 0.05:
            return self._register()
        if not self.documents or self._random.random() < 0.1:
            return self._create()
        if not self.teams or self._random.random() < 0.04:
            return self._found()
        kinds: list[Callable[[], Root]] = [self._change_document] * 6 + [self._share_document] * 3
        kinds += [self._change_user, self._change_subscription] + [self._change_team] * 4
        return [self._random.choice(kinds)()]

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _text(self, most: int = 30) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randrange(1, most)))

    def _line(self) -> str:
        return " ".join(self._text(5).split())

    def _register(self) -> list[Root]:
        n = len(self.users)
        user = User.register(
            id=self._id(), email=f"user{n}@example.org", name=self._line(), password_hash="hash", now=self._now
        )
        subscription = Subscription.start(user_id=user.id, now=self._now)
        self.users.append(user)
        self.subscriptions.append(subscription)
        return [user, subscription]

    def _create(self) -> list[Root]:
        n = self._random.randrange(len(self.users))
        subscription = self.subscriptions[n]
        document = Document.create(
            id=self._id(), owner_id=self.users[n].id, title=self._line(), content=self._text(), now=self._now
        )
        subscription.use(document.id, now=self._now)
        self.documents.append(document)
        return [document, subscription]

    def _found(self) -> list[Root]:
        owner = self._random.choice(self.users)
        slug = f"team-{len(self.teams)}"
        team = Team.found(id=self._id(), name=self._line(), slug=slug, owner_id=owner.id, now=self._now)
        self.teams.append(team)
        return [team]

    def _change_user(self) -> Root:
        user = self._random.choice(self.users)
        match self._random.randrange(8):
            case 0 | 1:
                user.verify_email(now=self._now)
            case 2:
                user.change_password(password_hash=self._line(), now=self._now)
            case 3:
                user.deactivate(now=self._now)
            case _:
                picture = self._random.choice([None, "https://example.org/me.png"])
                user.change_profile(name=self._line(), avatar_url=picture, now=self._now)
        return user

    def _change_subscription(self) -> Root:
        subscription = self._random.choice(self.subscriptions)
        match self._random.randrange(3):
            case 0 if subscription.used:
                subscription.release(min(subscription.used), now=self._now)
            case 1:
                subscription.cancel(now=self._now)
            case _:
                subscription.change_plan(self._random.choice(PLANS), now=self._now)  # type: ignore[arg-type]
        return subscription

    def _change_document(self) -> Root:
        document = self._random.choice(self.documents)
        owner = Actor(document.owner_id)
        match self._random.randrange(10):
            case 0:
                document.trash(by=owner, now=self._now)
            case 1 | 2:
                document.restore_from_trash(by=owner, now=self._now)
            case 3:
                earlier = Document.create(
                    id=document.id, owner_id=owner.user_id, title=self._line(), content=self._text(), now=self._now
                )
                document.restore_version(earlier, by=owner, now=self._now)
            case 4:
                status = self._random.choice(STATUSES)
                document.change(title=document.title, content=document.content, status=status, by=owner, now=self._now)
            case 5:
                document.change(
                    title=self._line(), content=document.content, status=document.status, by=owner, now=self._now
                )
            case _:
                document.change(
                    title=document.title, content=self._text(), status=document.status, by=owner, now=self._now
                )
        return document

    def _share_document(self) -> Root:
        document = self._random.choice(self.documents)
        owner = Actor(document.owner_id)
        if document.shares and self._random.random() < 0.3:
            document.revoke_share(address_id=min(document.shares), by=owner, now=self._now)
        else:
            address_id, email = self._address()
            role = self._random.choice(ROLES)
            document.share(address_id=address_id, email=email, role=role, by=owner, now=self._now)
        return document

    def _address(self) -> tuple[UUID, str]:
        n = self._random.randrange(8)
        return UUID(int=n + 1), f"reader{n}@example.org"

    def _change_team(self) -> Root:
        team = self._random.choice(self.teams)
        owner = Actor(next(user_id for user_id, role in team.members.items() if role == "owner"))
        others = [user_id for user_id in team.members if user_id != owner.user_id]
        choice = self._random.randrange(12)
        if choice == 0:
            team.rename(self._line(), by=owner, now=self._now)
        elif choice == 1 and self._random.random() < 0.3:
            team.dissolve(by=owner, now=self._now)
        elif choice < 6 and team.invited:
            self._answer(team, owner)
        elif choice < 9 and others:
            self._manage(team, owner, self._random.choice(others))
        else:
            address_id, email = self._address()
            role = self._random.choice(INVITED)
            team.invite(address_id=address_id, email=email, role=role, by=owner, now=self._now)
        return team

    def _answer(self, team: Team, owner: Actor) -> None:
        address_id = min(team.invited)
        somebody = Actor(self._random.choice(self.users).id, address_id)
        match self._random.randrange(5):
            case 0:
                team.revoke_invitation(address_id=address_id, by=owner, now=self._now)
            case 1:
                team.decline(by=somebody, now=self._now)
            case _:
                team.accept(by=somebody, now=self._now)

    def _manage(self, team: Team, owner: Actor, other: UUID) -> None:
        match self._random.randrange(4):
            case 0:
                team.remove(user_id=other, by=owner, now=self._now)
            case 1:
                team.leave(by=Actor(other), now=self._now)
            case 2:
                team.transfer_ownership(user_id=other, by=owner, now=self._now)
            case _:
                team.change_role(user_id=other, role=self._random.choice(["admin", "member"]), by=owner, now=self._now)
