"""The tokens in links that are sent by mail, refresh and CSRF tokens, made with the signing keys of this process."""

from adapters.http.api.cookies import CsrfTokens
from adapters.links import DerivedLinkTokens
from adapters.refresh_tokens import DerivedRefreshTokens
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState
from infra.sealing.process_keys import ProcessKeys


def open_link_tokens(keys: ProcessKeys) -> DerivedLinkTokens:
    """Return the tokens. They follow a rotation of the signing key."""
    tokens = DerivedLinkTokens(signing_secrets(keys.ring))
    keys.follow(lambda ring: tokens.use(signing_secrets(ring)))
    return tokens


def open_refresh_tokens(keys: ProcessKeys) -> DerivedRefreshTokens:
    """Return the refresh tokens. They follow a rotation of the signing key."""
    tokens = DerivedRefreshTokens(signing_secrets(keys.ring))
    keys.follow(lambda ring: tokens.use(signing_secrets(ring)))
    return tokens


def open_csrf_tokens(keys: ProcessKeys) -> CsrfTokens:
    """Return the CSRF tokens. They follow a rotation of the signing key."""
    tokens = CsrfTokens(signing_secrets(keys.ring))
    keys.follow(lambda ring: tokens.use(signing_secrets(ring)))
    return tokens


def signing_secrets(ring: KeyRing) -> list[bytes]:
    """Return the signing keys of a ring, the current one first."""
    keys = sorted(ring.of(KeyKind.SIGNING), key=lambda key: key.state is not KeyState.CURRENT)
    return [key.secret for key in keys]
