"""What texts may hold, and when two spellings are the same address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import UnusableEmail, UnusableText, email_address, multi_line, normalise_email, single_line


@pytest.mark.parametrize("text", ["A title", "Überschrift: 日本語", "👩‍👩‍👧 family", "x", "x" * 20])
def test_a_line_is_what_people_write(text: str) -> None:
    assert single_line(text, "A title", 20) == text


def test_a_line_loses_the_white_space_around_it() -> None:
    assert single_line("  A title\n", "A title", 20) == "A title"


@pytest.mark.parametrize("text", ["", "  ", "\n", "x" * 21, "a\0b", "a\nb", "a\x7fb", "a\u2028b", "a\ud800b"])
def test_a_line_is_not_blank_nor_long_nor_deceiving(text: str) -> None:
    with pytest.raises(UnusableText, match="A title has 1 to 20 characters"):
        single_line(text, "A title", 20)


@pytest.mark.parametrize("text", ["", " \n\tindented\r\n", "\x07", "😀" * 20])
def test_a_body_is_kept_as_it_is(text: str) -> None:
    assert multi_line(text, "A content", 20) == text


@pytest.mark.parametrize("text", ["x" * 21, "a\0b", "a\udc00b"])
def test_a_body_is_not_too_long_and_can_be_stored(text: str) -> None:
    with pytest.raises(UnusableText, match="A content has at most 20 characters"):
        multi_line(text, "A content", 20)


@pytest.mark.parametrize(
    "spelling",
    [
        "ada@example.org",
        " Ada@Example.ORG ",
        "\uff21\uff24\uff21@example.org",
        "ada\uff20example.org",
        "\tADA@EXAMPLE.ORG\n",
    ],
)
def test_an_address_has_one_normal_form(spelling: str) -> None:
    assert email_address(spelling) == "ada@example.org"


def test_an_address_is_as_long_as_mail_servers_take_it() -> None:
    longest = f"{'a' * 64}@{'b' * 189}"
    assert email_address(longest) == longest
    with pytest.raises(UnusableEmail):
        email_address(longest + "b")


def test_different_mailboxes_stay_different() -> None:
    assert email_address("strasse@example.org") != email_address("straße@example.org")


@given(st.text(max_size=50))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    assert normalise_email(normalise_email(text)) == normalise_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "ada", "@example.org", "ada@", "a b@example.org", "a@b@c", "a@b..c", "a\0@b.c", "a@b.c\ud800",
     "a" * 65 + "@b.c", "a@" + "b" * 260],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UnusableEmail):
        email_address(text)


def test_refusals_do_not_repeat_what_was_given() -> None:
    with pytest.raises(UnusableText) as long:
        single_line("secret" * 10, "A title", 20)
    with pytest.raises(UnusableEmail) as email:
        email_address("secret")
    assert "secret" not in long.value.detail + email.value.detail
