"""What texts may hold, and when two spellings are the same address."""

import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content.texts import usable_title
from domain.identity import profile
from domain.kernel import Invalid
from domain.teams import naming
from domain.text import UnusableEmail, UnusableText, email_address, email_key, multi_line, single_line


@pytest.mark.parametrize("text", ["A title", "Überschrift: 日本語", "👩‍👩‍👧 family", "x", "x" * 20])
def test_a_line_is_what_people_write(text: str) -> None:
    assert single_line(text, "A title", 20) == text


def test_a_line_loses_the_white_space_around_it() -> None:
    assert single_line("  A title\n", "A title", 20) == "A title"


@pytest.mark.parametrize("text", ["", "  ", "\n", "x" * 21, "a\0b", "a\nb", "a\x7fb", "a\u2028b", "a\ud800b"])
def test_a_line_is_not_blank_nor_long_nor_deceiving(text: str) -> None:
    with pytest.raises(UnusableText, match="A title has 1 to 20 characters"):
        single_line(text, "A title", 20)


@pytest.mark.parametrize(
    "text",
    ["\u200b", "\u2800", "\u3164", "\u115f", "\u00ad", "\u0301", "\ufe0f", "\u200b \u200d", "\U000e0041", "\ufeff"],
)
def test_something_of_a_line_can_be_seen(text: str) -> None:
    """Case 9: only white space was taken for nothing."""
    with pytest.raises(UnusableText, match="at least one that can be seen"):
        single_line(text, "A title", 20)


@pytest.mark.parametrize(
    "usable",
    [
        usable_title,
        profile.usable_name,
        profile.usable_avatar_url,
        naming.usable_name,
        naming.usable_slug,
        email_address,
    ],
)
@pytest.mark.parametrize("text", ["\u200b", "\u2800", "https://example.org/\u202egnp.exe", "a\u202eb@example.org"])
def test_every_text_of_one_line_is_checked(usable: Callable[[str], str], text: str) -> None:
    """Case 9, in titles, names of users and teams, slugs, addresses of pictures and of mailboxes."""
    with pytest.raises(Invalid):
        usable(text)


@pytest.mark.parametrize("turn", [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))])
def test_a_line_does_not_turn_the_direction_of_what_follows(turn: str) -> None:
    """Case 9: a name looked like another one."""
    with pytest.raises(UnusableText, match="direction"):
        single_line(f"bill{turn}fdp.exe", "A title", 20)


@pytest.mark.parametrize(
    "text",
    ["שלום\u200f!", "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc", "क\u094dष", "e\u0301", "❤\ufe0f", "\U0001fae9", "!"],
)
def test_a_line_may_hold_what_scripts_and_emoji_need(text: str) -> None:
    """Marks that only hint at a direction, joiners, accents, and symbols that this Unicode does not know yet."""
    assert single_line(text, "A title", 20) == text


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
    longest = f"{'a' * 64}@{'b' * 63}.{'b' * 62}.{'b' * 62}"
    assert email_address(longest) == longest
    with pytest.raises(UnusableEmail):
        email_address(longest + "b")


@pytest.mark.parametrize(
    ("spelling", "same"),
    [
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@BU\u0308CHER.example", "ada@bücher.example"),
        ("ada@example。org", "ada@example.org"),
        ("ada@exam\u00adple.org", "ada@example.org"),
        ("ΟΔΥΣΣΕΥΣ@example.org", "οδυσσευς@example.org"),
        ("STRASSE@example.org", "straße@example.org"),
        ("\u1fb7@example.org", "\u1fb3\u0342@example.org"),
    ],
)
def test_spellings_of_one_address_are_one(spelling: str, same: str) -> None:
    """Case 6: these were two identities."""
    assert email_address(spelling) == email_address(same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@straße.example", "ada@strasse.example"),
        ("ada@σοφος.example", "ada@σοφοσ.example"),
        ("\u0131@example.org", "i@example.org"),
    ],
)
def test_different_mailboxes_stay_different(one: str, other: str) -> None:
    """Registries give such domains to different owners; Unicode has no capital of the letter i without a dot."""
    assert email_address(one) != email_address(other)


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\u2060", "\ufe0f", "\u3164", "\u2800", "\u034f", "\u202e", "\U000e0041"]
)
def test_an_address_hides_no_character(hidden: str) -> None:
    with pytest.raises(UnusableEmail):
        email_address(f"a{hidden}da@example.org")


def spellings(text: str) -> set[str]:
    """The text in all cases and all normal forms of Unicode."""
    forms: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
    cases = {text, text.upper(), text.lower(), text.title(), text.casefold()}
    return cases | {unicodedata.normalize(form, text) for form in forms}


def with_spellings() -> Iterator[str]:
    """Every character that has another spelling: all are looked at, by thousands first.

    Of Korean syllables, whose forms follow from their numbers, one in a hundred.
    """
    for begin in range(0, sys.maxunicode, 1000):
        characters = [chr(n) for n in range(begin, min(begin + 1000, sys.maxunicode + 1)) if not 0xD800 <= n < 0xE000]
        if len(spellings("".join(characters))) > 1:
            step = 100 if unicodedata.name(characters[0], "").startswith("HANGUL SYLLABLE") else 1
            yield from (each for each in characters[::step] if len(spellings(each)) > 1)


@cache
def normal_form(text: str) -> str | None:
    """The normal form of an address; None: it is refused."""
    try:
        return email_address(text)
    except UnusableEmail:
        return None


@pytest.mark.parametrize(
    ("pattern", "exceptions"), [("a{}@b", "\u0131"), ("a@x{}", "ß\u1e9eς\u03f2\u03f9\u0131\u1fb7\u1fc7\u1ff7")]
)
def test_every_character_has_one_normal_form(pattern: str, exceptions: str) -> None:
    """Case 6. Exceptions: see `test_different_mailboxes_stay_different`; of others, UTS 46 refuses one spelling."""
    apart = ""
    for character in with_spellings():
        forms = {normal_form(pattern.format(spelling)) for spelling in spellings(character)}
        if len(forms) > 1:
            apart += character
        assert all(form is None or normal_form(form) == form for form in forms)
    assert sorted(apart) == sorted(exceptions)


@given(st.text(max_size=50), st.text(max_size=20))
def test_the_normal_form_of_a_normal_form_is_itself(local: str, domain: str) -> None:
    for text in (f"{local}@example.org", f"a@{domain}.org"):
        normal = normal_form(text)
        assert normal is None or email_address(normal) == normal


def test_the_key_of_an_address_names_the_version_of_its_form() -> None:
    assert email_key("ada@example.org") == "1 ada@example.org"


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
