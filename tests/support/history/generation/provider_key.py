"""Keys of payers: saved, replaced, deleted."""

from domain.generation.provider_key import KeyChoice, ProviderKey
from domain.identity.user import User
from domain.kernel import Party, Root
from tests.support.history.kernel import History, begins, changes


@begins(KeyChoice, chance=0.02, needs=[User])
def save(history: History) -> list[Root]:
    payer = Party("user", history.any(User).id)
    if any(choice.id == KeyChoice.id_of(payer) for choice in history.of(KeyChoice)):
        return []
    key = saved(history, payer)
    return [key, history.add(KeyChoice.make(payer, key.id, now=history.now))]


def saved(history: History, payer: Party) -> ProviderKey:
    """A new key of a payer."""
    secret = f"sk-{history.random.getrandbits(160):040x}"
    return history.add(ProviderKey.save(secret, id=history.id(), payer=payer, by=payer.id, now=history.now))


@changes(KeyChoice, weight=1)
def replace_or_delete(history: History) -> list[Root]:
    choice = history.any(KeyChoice)
    old = [key for key in history.of(ProviderKey) if key.id == choice.key_id]
    for key in old:
        key.erase(now=history.now)
    if old and history.random.random() < 0.5:
        choice.end(now=history.now)
        return [choice, *old]
    new = saved(history, choice.tenant)
    choice.change(new.id, now=history.now)
    return [choice, new, *old]
