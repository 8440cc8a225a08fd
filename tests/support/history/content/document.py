"""Documents: written, changed, trashed, brought back and shared. Each counts for its owner's subscription."""

from uuid import UUID

from application.ports import Actor
from domain.billing.subscription import Subscription
from domain.content import ownership, sharing
from domain.content.document import Document, Status
from domain.content.lending import lend, take_back
from domain.content.ownership import FormerOwner
from domain.content.roles import ShareRole
from domain.identity.user import User
from domain.kernel import Party, Root
from domain.teams.team import Team
from tests.support.history.kernel import History, begins, changes

STATUSES: list[Status] = ["draft", "published", "archived"]
ROLES: list[ShareRole] = ["editor", "commenter", "viewer"]


@begins(Document, chance=0.1, needs=[User])
def create(history: History) -> list[Root]:
    n = history.random.randrange(len(history.of(User)))
    owner, subscription = history.of(User)[n], history.of(Subscription)[n]
    document = Document.create(
        id=history.id(), owner_id=owner.id, title=history.line(), content=history.text(), now=history.now
    )
    subscription.use(document.id, now=history.now)
    return [history.add(document), subscription]


@changes(Document, weight=6)
def change(history: History) -> list[Root]:
    document, now = history.any(Document), history.now
    owner = Actor(document.owner_id)
    title, content, status = document.title, document.content, document.status
    match history.random.randrange(10):
        case 0:
            document.trash(by=owner, now=now)
        case 1 | 2:
            document.restore_from_trash(by=owner, now=now)
        case 3:
            document.restore_version(_earlier(history, document), by=owner, now=now)
        case 4:
            status = history.random.choice(STATUSES)
            document.change(title=title, content=content, status=status, by=owner, now=now)
        case 5:
            status = history.random.choice(STATUSES)
            document.change(title=history.line(), content=history.text(), status=status, by=owner, now=now)
        case 6:
            document.change(title=history.line(), content=content, status=status, by=owner, now=now)
        case _:
            document.change(title=title, content=history.text(), status=status, by=owner, now=now)
    return [document]


@changes(Document, weight=3)
def share(history: History) -> list[Root]:
    document = history.any(Document)
    owner = Actor(document.owner_id, document.owner_id)
    choice = history.random.random()
    if document.shares and choice < 0.3:
        sharing.revoke_share(document, address_id=min(document.shares), by=owner, now=history.now)
    elif document.shares and choice < 0.5:
        sharing.bind_share(document, by=Actor(history.any(User).id, max(document.shares)), now=history.now)
    else:
        address_id, email = history.address()
        role = history.random.choice(ROLES)
        sharing.share(document, address_id=address_id, email=email, role=role, by=owner, now=history.now)
    return [document]


@changes(Document, weight=1)
def transfer(history: History) -> list[Root]:
    document, now = history.any(Document), history.now
    owner = Actor(document.owner_id, document.owner_id)
    choice = history.random.random()
    if document.offered_to is None or choice < 0.3:
        address_id, email = history.address()
        ownership.offer(document, address_id=address_id, email=email, by=owner, now=now)
        return [document]
    heir = history.any(User)
    holder = Actor(heir.id, document.offered_to)
    if choice < 0.5:
        ownership.decline(document, None, by=holder, now=now)
        return [document]
    ownership.require_offered(document, None, holder, now)
    former, present = (_subscription(history, user_id) for user_id in (owner.user_id, heir.id))
    present.use(document.id, now=now)
    former.release(document.id, now=now)
    address_id, email = history.address()
    ownership.accept(document, None, FormerOwner(owner.user_id, address_id, email), by=holder, now=now)
    return [document, former, present]


@changes(Document, weight=1)
def lend_to_team(history: History) -> list[Root]:
    document = history.any(Document)
    owner = Actor(document.owner_id, document.owner_id)
    teams = [team for team in history.of(Team) if owner.user_id in team.members]
    choice = history.random.random()
    if document.team_shares and choice < 0.3:
        take_back(document, min(document.team_shares), by=owner, now=history.now)
    elif teams and choice < 0.8:
        lend(document, history.random.choice(teams), history.random.choice(ROLES), by=owner, now=history.now)
    elif teams:
        ownership.offer_to_team(document, history.random.choice(teams), by=owner, now=history.now)
    return [document]


def _subscription(history: History, user_id: UUID) -> Subscription:
    id = Subscription.id_of(Party("user", user_id))
    return next(each for each in history.of(Subscription) if each.id == id)


def _earlier(history: History, document: Document) -> Document:
    return Document.create(
        id=document.id, owner_id=document.owner_id, title=history.line(), content=history.text(), now=history.now
    )
