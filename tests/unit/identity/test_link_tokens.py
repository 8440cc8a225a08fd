"""Tokens in links: computed again for the mail, bound to purpose, user and link, and taken over by a rotation."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.links import DerivedLinkTokens
from application.ports import LinkTokens

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
USER, LINK = UUID(int=7), UUID(int=8)


def test_a_token_is_the_same_each_time_and_only_its_digest_need_be_stored() -> None:
    tokens: LinkTokens = DerivedLinkTokens([OLD])
    link = tokens.make("verify", USER, LINK)
    assert link == tokens.make("verify", USER, LINK)
    assert link.digest == hashlib.sha256(link.token.encode()).hexdigest()
    assert tokens.again("verify", USER, LINK, link.digest) == link
    assert tokens.read(link.token) == link


def test_a_token_differs_by_purpose_user_link_and_key() -> None:
    tokens = DerivedLinkTokens([OLD])
    made = {
        tokens.make("verify", USER, LINK).token,
        tokens.make("reset", USER, LINK).token,
        tokens.make("verify", LINK, LINK).token,
        tokens.make("verify", USER, USER).token,
        DerivedLinkTokens([NEW]).make("verify", USER, LINK).token,
    }
    assert len(made) == 5


def test_the_keys_of_tokens_are_not_the_signing_keys_themselves() -> None:
    mac = hmac.digest(OLD, USER.bytes + LINK.bytes, hashlib.sha256)
    plain = urlsafe_b64encode(USER.bytes + mac).decode()
    assert DerivedLinkTokens([OLD]).make("verify", USER, LINK).token != plain


def test_after_a_rotation_earlier_tokens_are_made_again_until_their_key_is_gone() -> None:
    tokens = DerivedLinkTokens([OLD])
    link = tokens.make("reset", USER, LINK)
    tokens.use([NEW, OLD])
    assert tokens.make("reset", USER, LINK).token != link.token
    assert tokens.again("reset", USER, LINK, link.digest) == link
    tokens.use([NEW])
    assert tokens.again("reset", USER, LINK, link.digest) is None


def test_the_token_of_another_purpose_or_link_is_not_made_again() -> None:
    tokens = DerivedLinkTokens([OLD])
    digest = tokens.make("reset", USER, LINK).digest
    assert tokens.again("verify", USER, LINK, digest) is None
    assert tokens.again("reset", USER, USER, digest) is None


def test_a_changed_token_has_another_digest() -> None:
    tokens = DerivedLinkTokens([OLD])
    link = tokens.make("verify", USER, LINK)
    changed = tokens.read(link.token[:-2] + ("AA" if link.token[-2:] != "AA" else "BB"))
    assert changed is not None
    assert (changed.subject_id, changed.digest == link.digest) == (USER, False)


@pytest.mark.parametrize("text", ["", "A" * 63, "A" * 65, "A" * 63 + "=", "A" * 63 + "+", "A" * 63 + "é", " " * 64])
def test_a_text_that_is_no_token_is_read_as_none(text: str) -> None:
    assert DerivedLinkTokens([OLD]).read(text) is None


@given(st.text(max_size=80) | st.binary(min_size=48, max_size=48).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_a_text_is_read_as_none_or_as_the_token_that_it_is(text: str) -> None:
    link = DerivedLinkTokens([OLD]).read(text)
    assert link is None or (link.token == text and urlsafe_b64encode(link.subject_id.bytes).decode()[:21] == text[:21])


def test_a_token_shows_in_no_log() -> None:
    link = DerivedLinkTokens([OLD]).make("verify", USER, LINK)
    assert link.token not in repr(link)
