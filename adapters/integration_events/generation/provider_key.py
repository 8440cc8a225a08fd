"""Keys of payers stay private."""

from adapters.integration_events.kernel import keep_private
from domain.generation.provider_key import KeyChoice, ProviderKey

for event in (ProviderKey.Saved, ProviderKey.Erased, KeyChoice.Made, KeyChoice.Changed, KeyChoice.Ended):
    keep_private(event, "how a payer pays the provider is only for that payer")
