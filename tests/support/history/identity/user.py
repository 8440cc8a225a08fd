"""Users, each with a subscription."""

from domain.billing.subscription import Subscription
from domain.identity.user import User
from domain.kernel import Party, Root
from tests.support.history.kernel import History, begins, changes


@begins(User, chance=0.05)
def register(history: History) -> list[Root]:
    email = f"user{len(history.of(User))}@example.org"
    user = User.register(id=history.id(), email=email, name=history.line(), password_hash="hash", now=history.now)
    subscription = Subscription.start(payer=Party("user", user.id), now=history.now)
    return [history.add(user), history.add(subscription)]


@changes(User, weight=1)
def change(history: History) -> list[Root]:
    user = history.any(User)
    match history.random.randrange(8):
        case 0 | 1:
            user.verify_email(now=history.now)
        case 2:
            user.change_password(password_hash=history.line(), now=history.now)
        case 3:
            user.deactivate(now=history.now)
        case _:
            picture = history.random.choice([None, "https://example.org/me.png"])
            user.change_profile(name=history.line(), avatar_url=picture, now=history.now)
    return [user]
