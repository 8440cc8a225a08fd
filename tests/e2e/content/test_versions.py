"""Versions through the whole service: a history of several people equals its source at every version and instant."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import pytest

from tests.support.api import Account, Api

EDITS, PATCH = "application/vnd.palimpsest.edits+json", "application/merge-patch+json"
ACUTE, JOINER, OVERRIDE = "\N{COMBINING ACUTE ACCENT}", "\N{ZERO WIDTH JOINER}", "\N{RIGHT-TO-LEFT OVERRIDE}"
FAMILY = f"\U0001f468{JOINER}\U0001f469{JOINER}\U0001f467"
FIRST = f"Otters \N{OTTER} float.\r\nCafe{ACUTE} {FAMILY}\r\n{OVERRIDE}abc\u2028\N{HEBREW LETTER SHIN}\n"


@dataclass
class Source:
    """What a history should be: for each version its title, its signed characters, its author and its time."""

    titles: list[str] = field(default_factory=list)
    texts: list[list[tuple[str, int]]] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)

    def add(self, author: Account, answer: Any, text: list[tuple[str, int]]) -> None:
        """Take a save into the source, as the answer says."""
        assert answer["content"] == plain(text)
        self.titles.append(answer["title"])
        self.texts.append(text)
        self.authors.append(str(author.id))
        self.times.append(answer["updated_at"])


def plain(text: list[tuple[str, int]]) -> str:
    return "".join(character for character, _ in text)


def edited(text: list[tuple[str, int]], version: int, *edits: tuple[int, int, str]) -> list[tuple[str, int]]:
    """The text with edits, whose characters are signed with the version."""
    for at, delete, insert in reversed(edits):
        text = [*text[:at], *((each, version) for each in insert), *text[at + delete :]]
    return text


@pytest.fixture(scope="module")
def people(api: Api) -> list[Account]:
    return [api.account("pro", verified=True) for _ in range(2)]


@pytest.fixture(scope="module")
def history(people: list[Account]) -> tuple[str, Source]:
    """A document that two people wrote, with every trap of Unicode; its path, and what it should be."""
    ada, bob = people
    source = Source()
    path = ada.document("Notes", FIRST)
    ada.write("POST", f"{path}/shares", json={"email": bob.email, "role": "editor"})
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    text = [(character, 1) for character in FIRST]
    source.add(ada, ada.read(path), text)

    def save(author: Account, new: list[tuple[str, int]], method: str, **sent: Any) -> None:
        source.add(author, author.write(method, path, **sent).json(), new)

    def edit(author: Account, *edits: tuple[int, int, str]) -> None:
        version = len(source.texts) + 1
        body = {"edits": [dict(zip(("at", "delete", "insert"), each, strict=True)) for each in edits]}
        headers = {"Content-Type": EDITS, "If-Match": f'"{version - 1}"'}
        save(author, edited(source.texts[-1], version, *edits), "PATCH", json=body, headers=headers)

    end = len(FIRST)
    edit(bob, (7, 1, FAMILY), (end, 0, "\U0001f9a6\N{COMBINING ENCLOSING KEYCAP}"))
    edit(ada, (0, 6, f"Be{ACUTE}a"), (end, 0, "\r\nnew line\r"))
    save(bob, source.texts[-1], "PATCH", json={"title": f"Caf\u00e9 {FAMILY}"}, headers={"Content-Type": PATCH})
    edit(bob, (10, 3, ""), (20, 0, OVERRIDE))
    ada.write("PUT", f"{path}/versions/2/name", 204, json={"name": "Sent \N{OTTER}"})
    rest = ada.write("POST", f"{path}/versions/2/restore").json()
    source.add(ada, rest, source.texts[1])
    edit(ada, (0, 0, "\N{BYTE ORDER MARK}"))
    return path, source


def passages(text: list[tuple[str, int]]) -> Iterator[tuple[int, int, int]]:
    at = 0
    for version, group in groupby(text, key=lambda each: each[1]):
        length = len([*group])
        yield at, at + length, version
        at += length


def test_every_version_is_what_its_source_says(people: list[Account], history: tuple[str, Source]) -> None:
    path, source = history
    for version, (title, text) in enumerate(zip(source.titles, source.texts, strict=True), start=1):
        found = people[0].read(f"{path}/versions/{version}")
        assert (found["title"], found["content"], found["version"]) == (title, plain(text), version)


def test_every_instant_is_what_its_source_says(people: list[Account], history: tuple[str, Source]) -> None:
    path, source = history
    for version, time in enumerate(source.times, start=1):
        found = people[0].client.get(path, params={"at": time})
        assert (found.status_code, found.headers["ETag"], found.json()["version"]) == (200, f'"{version}"', version)
        assert found.json()["content"] == plain(source.texts[version - 1])
    early = people[0].client.get(path, params={"at": "2020-01-01T00:00:00+02:00"})
    assert (early.status_code, early.json()["code"]) == (404, "not_found")
    late = people[0].read(f"{path}?at=2100-01-01T00:00:00Z")
    assert late == people[0].read(path)


@pytest.mark.parametrize("at", ["2026-11-22", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z", "1795000000", "now"])
def test_an_instant_is_written_with_its_offset(people: list[Account], history: tuple[str, Source], at: str) -> None:
    assert people[0].client.get(history[0], params={"at": at}).status_code == 422


def test_the_list_says_who_saved_what_and_how_much(people: list[Account], history: tuple[str, Source]) -> None:
    path, source = history
    listed = people[1].read(f"{path}/versions")["items"][::-1]
    assert [each["author_id"] for each in listed] == source.authors
    assert [each["at"] for each in listed] == source.times
    assert [each["content_length"] for each in listed] == [len(text) for text in source.texts]
    assert [each["name"] for each in listed] == [None, "Sent \N{OTTER}", None, None, None, None, None]
    assert [each["title"] is not None for each in listed] == [True, False, False, True, False, True, False]
    assert [(each["inserted"], each["deleted"]) for each in listed][:3] == [(len(FIRST), 0), (7, 1), (15, 6)]
    for before, after in pairwise(listed):
        grown = after["content_length"] - before["content_length"]
        assert grown == after["inserted"] - after["deleted"]


def test_blame_is_what_the_source_says_of_every_character(people: list[Account], history: tuple[str, Source]) -> None:
    path, source = history
    for version, text in enumerate(source.texts, start=1):
        found = people[0].read(f"{path}/versions/blame?version={version}")
        assert [(each["start"], each["end"], each["version"]) for each in found["passages"]] == [*passages(text)]
        for each in found["passages"]:
            written = each["version"] - 1
            assert (each["author_id"], each["at"]) == (source.authors[written], source.times[written])
    assert people[0].read(f"{path}/versions/blame") == found
    assert people[0].client.get(f"{path}/versions/blame?version=8").status_code == 404


def test_blame_of_too_many_changes_is_refused(
    people: list[Account], history: tuple[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.content.document_version.MAX_STEPS", 1)
    answer = people[0].client.get(f"{history[0]}/versions/blame")
    assert (answer.status_code, answer.json()["code"]) == (409, "history_too_long")


def test_the_difference_of_any_two_versions_leads_from_one_to_the_other(
    people: list[Account], history: tuple[str, Source]
) -> None:
    path, source = history
    for first, old in enumerate(map(plain, source.texts), start=1):
        for second, new in enumerate(map(plain, source.texts), start=1):
            found = people[0].read(f"{path}/versions/diff?from={first}&to={second}")
            for each in reversed(found["changes"]):
                assert old[each["from_start"] : each["from_end"]] == each["deleted"]
                assert new[each["to_start"] : each["to_end"]] == each["inserted"]
            text = old
            for each in reversed(found["changes"]):
                text = text[: each["from_start"]] + each["inserted"] + text[each["from_end"] :]
            assert text == new
            assert (found["title"] is None) == (source.titles[first - 1] == source.titles[second - 1])


def test_a_difference_is_a_unified_diff_on_request(people: list[Account], history: tuple[str, Source]) -> None:
    answer = people[0].client.get(
        f"{history[0]}/versions/diff", params={"from": 6, "to": 7}, headers={"Accept": "text/x-diff, application/json"}
    )
    assert answer.headers["Content-Type"] == "text/x-diff; charset=utf-8"
    first = plain(history[1].texts[5]).partition("\n")[0]
    text = answer.content.decode()
    assert text.startswith("--- version-6\n+++ version-7\n@@ -1,4 +1,4 @@\n")
    assert f"-{first}\n+\N{BYTE ORDER MARK}{first}\n" in text
    assert re.search(r"\\ No newline at end of file\n$", text)


def test_a_name_is_removed_and_makes_no_version(people: list[Account]) -> None:
    ada = people[0]
    path = ada.document()
    ada.write("PUT", f"{path}/versions/1/name", 204, json={"name": "First"})
    ada.write("PUT", f"{path}/versions/1/name", 204, json={"name": "Second"})
    assert [each["name"] for each in ada.read(f"{path}/versions")["items"]] == ["Second"]
    ada.write("DELETE", f"{path}/versions/1/name", 204)
    assert [each["name"] for each in ada.read(f"{path}/versions")["items"]] == [None]
    assert ada.client.put(f"{path}/versions/2/name", json={"name": "x"}).status_code == 404


def test_a_copy_has_a_history_of_its_own(people: list[Account], history: tuple[str, Source]) -> None:
    ada, bob = people
    copy = bob.write("POST", f"{history[0]}/duplicate", 201, json={})
    assert copy.json()["title"] == f"Copy of {history[1].titles[-1]}"
    assert copy.json()["content"] == plain(history[1].texts[-1])
    assert [each["author_id"] for each in bob.read(f"{copy.headers['Location']}/versions")["items"]] == [str(bob.id)]
    assert ada.client.get(copy.headers["Location"]).status_code == 404
