"""The provider of language models and moderation: with a key those of the settings, else the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from adapters.provider.capped import CappedProvider, Caps
from adapters.provider.catalogue import Catalogue, WrongCatalogue
from adapters.provider.guarded_moderation import GuardedModeration, NoModeration
from adapters.provider.guarded_provider import GuardedProvider
from adapters.provider.token_counter import TiktokenCounter
from application.idempotency import KeyedHash
from application.ports import (
    BatchProvider,
    KeyRefused,
    Limits,
    Moderation,
    PromptRefused,
    Provider,
    TryKey,
    Unavailable,
)
from infra.bootstrap.write_side import utc_now
from infra.settings.errors import SettingsError
from infra.settings.provider import ProviderSettings

OWNER_DIGITS = 16
"""Of the name by which an installation knows its batches among those of its key."""

if TYPE_CHECKING:
    from adapters.provider.openai_moderation import OpenAIModeration
    from adapters.provider.openai_provider import OpenAIProvider


def open_models(settings: ProviderSettings) -> Catalogue:
    """Return the catalogue of models.

    Raises:
        SettingsError: the file of the settings is none.
    """
    try:
        return Catalogue.read(settings.models)
    except (WrongCatalogue, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"PALIMPSEST_MODELS is no catalogue of models: {error}") from None


@asynccontextmanager
async def open_provider(
    settings: ProviderSettings, models: Catalogue, limits: Limits, counter: TiktokenCounter
) -> AsyncIterator[Provider]:
    """Open the provider; close its connections at the end. Opening succeeds even if the provider is down.

    The sandbox has no caps, so it needs no vocabulary to count with.
    """
    provider = _unprotected(settings, models)
    guarded = GuardedProvider(provider, models)
    try:
        if settings.key is None:
            yield guarded
            return
        await counter.start()
        ours = Caps(settings.requests_per_minute, settings.tokens_per_minute)
        of_payers = Caps(settings.own_key_requests_per_minute, settings.own_key_tokens_per_minute)
        yield CappedProvider(guarded, limits, counter, ours=ours, of_payers=of_payers)
    finally:
        await provider.close()


@asynccontextmanager
async def open_batches(
    settings: ProviderSettings, models: Catalogue, digests: KeyedHash
) -> AsyncIterator[BatchProvider]:
    """Open batches at the provider; close its connections at the end. Opening succeeds even if the provider is down."""
    from adapters.provider.client import ProviderAccount
    from adapters.provider.openai_batches import OpenAIBatches
    from adapters.provider.sandbox import SANDBOX, SandboxTransport

    owner = digests(b"batches").hex()[:OWNER_DIGITS]
    if settings.key is None:
        batches = OpenAIBatches(SANDBOX, models, utc_now, owner, transport=SandboxTransport())
    else:
        account = ProviderAccount(settings.address, settings.key.get_secret_value())
        batches = OpenAIBatches(account, models, utc_now, owner)
    try:
        yield batches
    finally:
        await batches.close()


@asynccontextmanager
async def open_moderation(settings: ProviderSettings) -> AsyncIterator[Moderation]:
    """Open moderation; close its connections at the end. Opening succeeds even if the service is down."""
    if settings.moderation == "off":
        yield NoModeration()
        return
    moderation = _moderation(settings)
    try:
        yield GuardedModeration(moderation, is_required=settings.moderation == "required")
    finally:
        await moderation.close()


async def check_moderation(settings: ProviderSettings) -> None:
    """Have a text judged, which costs nothing at OpenAI.

    Raises:
        Unavailable: there is no judgement: the key or the address is wrong, or the service is down.
    """
    moderation = _moderation(settings)
    try:
        await moderation.judge("Palimpsest looks whether moderation answers.")
    finally:
        await moderation.close()


async def check_provider(settings: ProviderSettings, models: Catalogue) -> None:
    """Ask the provider for its models, which costs nothing.

    Raises:
        PromptRefused: the key or the address is wrong.
        Unavailable: there is no answer.
    """
    await _check(_unprotected(settings, models))


def open_key_trial(settings: ProviderSettings, models: Catalogue) -> TryKey:
    """Return what asks the provider for its models with a key; without a key of ours, the sandbox answers."""

    async def try_key(key: str) -> None:
        # Its import takes a second, in which other requests go on.
        provider = await asyncio.to_thread(_unprotected, settings, models, key)
        try:
            await _check(provider)
        except KeyRefused:
            raise
        except PromptRefused as error:
            raise Unavailable(f"The provider ({error.reason})") from None

    return try_key


async def _check(provider: "OpenAIProvider") -> None:
    try:
        await provider.check()
    finally:
        await provider.close()


def _unprotected(settings: ProviderSettings, models: Catalogue, key: str | None = None) -> "OpenAIProvider":
    """The adapter, with a key or with ours. Its import takes a second, so only processes that use it pay for it."""
    from adapters.provider.client import ProviderAccount
    from adapters.provider.openai_provider import OpenAIProvider
    from adapters.provider.sandbox import SANDBOX, SandboxTransport

    if settings.key is None:
        account = SANDBOX if key is None else replace(SANDBOX, key=key)
        return OpenAIProvider(account, models, utc_now, transport=SandboxTransport())
    return OpenAIProvider(ProviderAccount(settings.address, key or settings.key.get_secret_value()), models, utc_now)


def _moderation(settings: ProviderSettings) -> "OpenAIModeration":
    """The adapter of moderation. Without an address of its own and any key, the sandbox judges.

    Another address does not get the provider's key.
    """
    from adapters.provider.client import ProviderAccount
    from adapters.provider.openai_moderation import OpenAIModeration
    from adapters.provider.sandbox import SANDBOX, SandboxTransport

    address, key = settings.moderation_address, settings.moderation_key
    if address is None:
        address, key = settings.address, key or settings.key
        if key is None:
            return OpenAIModeration(SANDBOX, utc_now, transport=SandboxTransport())
    return OpenAIModeration(ProviderAccount(address, "none" if key is None else key.get_secret_value()), utc_now)
