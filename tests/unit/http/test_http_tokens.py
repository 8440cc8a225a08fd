"""Access tokens: only ours, for us, in time, in our algorithm."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from uuid_utils.compat import uuid7

from adapters.http.api import tokens
from adapters.http.api.tokens import BadToken, EarlyToken, SigningKey, Tokens
from application.scopes import scopes
from infra.bootstrap.api import signing_keys
from infra.sealing.key_ring import KeyKind, KeyRing
from tests.support.http import SIGNING_KEYS, Time

USER, SESSION = UUID(int=1), UUID(int=2)


@pytest.fixture
def time() -> Time:
    return Time()


def issuer(time: Time, keys: Sequence[SigningKey] = SIGNING_KEYS, issuer: str = "us", audience: str = "them") -> Tokens:
    return Tokens(keys, issuer=issuer, audience=audience, lifetime=3600, clock=time, new_id=uuid7)


def part(token: str, number: int) -> dict[str, Any]:
    encoded = token.split(".")[number]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return decoded


def new_keys() -> list[SigningKey]:
    return signing_keys(KeyRing.new())


def forged(claims: dict[str, Any], header: dict[str, Any], keys: Sequence[SigningKey] = SIGNING_KEYS) -> str:
    header = {"typ": "at+jwt", "kid": SIGNING_KEYS[0].id, **header}
    return jwt.encode(header, claims, OKPKey.import_key(keys[0].jwk()), algorithms=["Ed25519"])


def test_a_token_tells_who_and_what_for(time: Time) -> None:
    grant = issuer(time).identify(issuer(time).issue(USER, SESSION))
    assert (grant.user_id, grant.session_id, grant.scopes) == (USER, SESSION, scopes())


def test_a_token_has_the_registered_claims_and_names_its_key(time: Time) -> None:
    token = issuer(time).issue(USER, SESSION)
    claims = part(token, 1)
    assert {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid", "scope"} == claims.keys()
    assert claims["exp"] - claims["iat"] == 3600
    assert part(token, 0) == {"alg": "Ed25519", "kid": SIGNING_KEYS[0].id, "typ": "at+jwt"}


def test_two_tokens_of_one_second_differ(time: Time) -> None:
    assert issuer(time).issue(USER, SESSION) != issuer(time).issue(USER, SESSION)


def test_asvs_9_2_1_a_token_ends(time: Time) -> None:
    ours = issuer(time)
    token = ours.issue(USER, SESSION)
    time.pass_by(seconds=3599)
    ours.identify(token)
    time.pass_by(seconds=1)
    with pytest.raises(BadToken):
        ours.identify(token)
    with pytest.raises(BadToken):
        issuer(time).identify(token)


def test_a_known_token_is_not_checked_again(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = issuer(time)
    token = ours.issue(USER, SESSION)
    first = ours.identify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert ours.identify(token) is first


def test_a_known_token_stays_known_when_the_same_keys_are_used_again(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process takes its keys into use again and again, whenever it has compared them with the database."""
    ours = issuer(time)
    token = ours.issue(USER, SESSION)
    ours.identify(token)
    ours.use([*SIGNING_KEYS])
    monkeypatch.delattr(jwt, "decode")
    assert ours.identify(token).user_id == USER


def test_only_so_many_tokens_are_remembered(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_CACHED_TOKENS", 2)
    ours = issuer(time)
    for number in range(5):
        ours.identify(ours.issue(UUID(int=number), SESSION))
    assert len(ours._known) == 2


@pytest.mark.parametrize(
    "other",
    [{"keys": new_keys()}, {"issuer": "others"}, {"audience": "others"}],
    ids=["another key", "another issuer", "another audience"],
)
def test_asvs_9_2_3_tokens_of_others_are_refused(time: Time, other: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        issuer(time).identify(issuer(time, **other).issue(USER, SESSION))


def test_tokens_signed_before_a_rotation_stay_valid_until_they_end(time: Time) -> None:
    """H6: there was one signing key, so a rotation logged everybody out."""
    ring = KeyRing.new()
    ours = issuer(time, signing_keys(ring))
    before = ours.issue(USER, SESSION)
    until = int(time().timestamp()) + 3600
    promoted = ring.with_next(KeyKind.SIGNING).promoted(KeyKind.SIGNING)
    ours.use(signing_keys(promoted.limited(KeyKind.SIGNING, until)))
    after = ours.issue(USER, SESSION)
    assert part(before, 0)["kid"] != part(after, 0)["kid"]
    assert {part(before, 0)["kid"], part(after, 0)["kid"]} == {key["kid"] for key in ours.jwks()["keys"]}
    time.pass_by(seconds=3599)
    assert ours.identify(before).user_id == ours.identify(after).user_id == USER


def test_no_token_of_an_earlier_signing_key_is_taken_after_its_limit(time: Time) -> None:
    """H6: who holds a rotated key could otherwise sign tokens that end as late as they like."""
    earlier = SIGNING_KEYS[0]
    ours = issuer(time)
    claims = {**part(ours.issue(USER, SESSION), 1), "exp": 2**40}
    ours.use([*new_keys(), replace(earlier, until=int(time().timestamp()) + 60)])
    token = forged(claims, {"alg": "Ed25519"})
    ours.identify(token)
    time.pass_by(seconds=60)
    with pytest.raises(BadToken):
        ours.identify(token)


def test_asvs_9_1_1_a_changed_token_is_refused(time: Time) -> None:
    header, claims, signature = issuer(time).issue(USER, SESSION).split(".")
    other = base64.urlsafe_b64encode(json.dumps({**part(f".{claims}", 1), "sub": str(SESSION)}).encode()).decode()
    with pytest.raises(BadToken):
        issuer(time).identify(f"{header}.{other.rstrip('=')}.{signature}")


def test_asvs_9_1_2_an_unsigned_token_is_refused(time: Time) -> None:
    claims = issuer(time).issue(USER, SESSION).split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    with pytest.raises(BadToken):
        issuer(time).identify(f"{header}.{claims}.")


def test_asvs_9_1_2_a_token_signed_with_the_public_key_as_a_secret_is_refused(time: Time) -> None:
    ours = issuer(time)
    secret = OctKey.import_key(json.dumps(ours.jwks()["keys"][0]))
    header = {"alg": "HS256", "typ": "at+jwt", "kid": SIGNING_KEYS[0].id}
    with pytest.raises(BadToken):
        ours.identify(jwt.encode(header, part(ours.issue(USER, SESSION), 1), secret))


def test_asvs_9_1_3_a_token_that_brings_its_own_key_is_refused(time: Time) -> None:
    theirs = new_keys()
    public = OKPKey.import_key(theirs[0].jwk()).as_dict(private=False)
    claims = part(issuer(time).issue(USER, SESSION), 1)
    with pytest.raises(BadToken):
        issuer(time).identify(forged(claims, {"alg": "Ed25519", "jwk": public}, theirs))


def test_asvs_9_2_2_a_token_of_another_type_is_refused(time: Time) -> None:
    claims = part(issuer(time).issue(USER, SESSION), 1)
    with pytest.raises(BadToken):
        issuer(time).identify(forged(claims, {"alg": "Ed25519", "typ": "JWT"}))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "scope"])
@pytest.mark.parametrize("value", [None, ["x"], {}])
def test_a_token_with_a_wrong_claim_is_refused(time: Time, claim: str, value: object) -> None:
    claims = {**part(issuer(time).issue(USER, SESSION), 1), claim: value}
    with pytest.raises(BadToken):
        issuer(time).identify(forged(claims, {"alg": "Ed25519"}))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "scope"])
def test_a_token_without_a_claim_is_refused(time: Time, claim: str) -> None:
    """L12."""
    claims = part(issuer(time).issue(USER, SESSION), 1)
    del claims[claim]
    with pytest.raises(BadToken):
        issuer(time).identify(forged(claims, {"alg": "Ed25519"}))


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, 10**400, -1, 1.5, "9999999999", True])
def test_a_time_is_a_whole_number_of_seconds(time: Time, claim: str, value: object) -> None:
    """L12: a token could end at infinity, or at a text."""
    claims = {**part(issuer(time).issue(USER, SESSION), 1), claim: value}
    with pytest.raises(BadToken):
        issuer(time).identify(forged(claims, {"alg": "Ed25519"}))


def test_asvs_9_2_1_a_token_is_not_valid_before_its_time(time: Time) -> None:
    """L12: `nbf` was ignored."""
    ours = issuer(time)
    claims = part(ours.issue(USER, SESSION), 1)
    token = forged({**claims, "nbf": claims["nbf"] + 301}, {"alg": "Ed25519"})
    with pytest.raises(EarlyToken):
        ours.identify(token)
    time.pass_by(seconds=1)
    assert ours.identify(token).user_id == USER


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é.é.é", "x" * 5000])
def test_nonsense_is_refused(time: Time, token: str) -> None:
    with pytest.raises(BadToken):
        issuer(time).identify(token)


def test_the_public_keys_hold_nothing_private(time: Time) -> None:
    (key,) = issuer(time).jwks()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}


def test_a_token_of_more_than_4_kib_is_refused_whatever_is_in_it(time: Time) -> None:
    claims = part(issuer(time).issue(USER, SESSION), 1)
    sound, long = (forged({**claims, "more": "x" * size}, {"alg": "Ed25519"}) for size in (1_000, 4_000))
    assert len(sound) <= 4_096 < len(long)
    assert issuer(time).identify(sound).user_id == USER
    with pytest.raises(BadToken):
        issuer(time).identify(long)
