"""Erased addresses stay private: nothing is published of an address."""

from adapters.integration_events.kernel import keep_private
from domain.privacy.address import Address

for event in (Address.Erased, Address.ErasedAgain):
    keep_private(event, "an address has no public events, and its id would say that it was known here")
