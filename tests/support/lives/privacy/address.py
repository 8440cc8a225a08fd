"""The life of an address."""

from domain.privacy.address import Address
from tests.support.given import ID, NOW
from tests.support.lives.kernel import LATER, life


@life
def address() -> Address:
    """Erased twice."""
    address = Address.erase(id=ID, now=NOW)
    address.erase_again(now=LATER)
    return address
