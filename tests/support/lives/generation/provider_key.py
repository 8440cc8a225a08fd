"""The lives of a payer's key, and of the choice of it."""

from uuid import UUID

from domain.generation.provider_key import KeyChoice, ProviderKey
from domain.kernel import Party
from tests.support.given import NOW
from tests.support.lives.kernel import ADA, LATER, life

PAYER = Party("user", ADA.user_id)


@life
def provider_key() -> ProviderKey:
    """Saved and erased."""
    key = ProviderKey.save("sk-otters-hold-hands", id=UUID(int=0x9E), payer=PAYER, by=ADA.user_id, now=NOW)
    key.erase(now=LATER)
    return key


@life
def key_choice() -> KeyChoice:
    """Made, changed and ended."""
    choice = KeyChoice.make(PAYER, UUID(int=0x9E), now=NOW)
    choice.change(UUID(int=0x9F), now=LATER)
    choice.end(now=LATER)
    return choice
