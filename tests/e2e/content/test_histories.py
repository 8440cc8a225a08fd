"""A history of many files and several authors, replayed through the whole service, equals its source everywhere."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest

from tests.support.api import Account, Api
from tests.support.repository import TITLES, TRAPS, Commit, Kind, Repository, Version

EDITS, PATCH = "application/vnd.palimpsest.edits+json", "application/merge-patch+json"
COMMITS = 120
AUTHORS = 3
FOLDERS = 3
MICROSECOND = timedelta(microseconds=1)
NO_LINE_FEED = "\\ No newline at end of file\n"
NUL = "\0"
"""A character that no text has: in its place after the last line, if that has no line feed."""
HUNK, LINE = re.compile(r"^@@ -(\d+),(\d+) "), re.compile(r"[^\n\0]*[\n\0]|[^\n\0]+")


class Replay:
    """A repository that is a team's documents, written by its members."""

    def __init__(self, api: Api) -> None:
        self.source = Repository(8, authors=AUTHORS, folders=FOLDERS)
        self.authors = [api.account("pro") for _ in range(AUTHORS)]
        owner = self.authors[0]
        founded = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"crew-{owner.id.hex[-12:]}"})
        self.team = founded.json()["id"]
        for author in self.authors[1:]:
            owner.write("POST", f"/v1/teams/{self.team}/invitations", json={"email": author.email, "role": "admin"})
            author.write("POST", f"/v1/teams/{self.team}/invitations/accept")
        self.folders = [
            owner.write("POST", f"/v1/teams/{self.team}/folders", 201, json={"name": f"{number}"}).json()["id"]
            for number in range(FOLDERS)
        ]
        self.paths: list[str] = []
        self.times: list[list[str]] = []
        """Of each file the time of each version."""
        self.commits: list[Commit] = []

    def replay(self) -> None:
        """Let an author do the next thing, and see what the answer says. All authors' reads show it."""
        commit = self.source.commit()
        self.commits.append(commit)
        author, file = self.authors[commit.author], self.source.files[commit.file]
        if commit.kind == "add":
            answer = author.write("POST", "/v1/documents", 201, json=self._new(commit))
            self.paths.append(answer.headers["Location"])
            self.times.append([answer.json()["updated_at"]])
            self._move(author, commit.file)
            return
        saved = self._send(author, commit)
        for other in self.authors:
            other.client.headers["Consistency-Token"] = author.client.headers["Consistency-Token"]
        if saved is not None:
            found = (saved["title"], saved["content"], saved["version"])
            assert found == (file.last.title, file.last.content, len(file.versions)), commit
            if len(file.versions) > len(self.times[commit.file]):
                self.times[commit.file].append(saved["updated_at"])

    def _new(self, commit: Commit) -> dict[str, str]:
        last = self.source.files[commit.file].last
        return {"title": last.title, "content": last.content, "team_id": self.team}

    def _send(self, author: Account, commit: Commit) -> Any:
        path = self.paths[commit.file]
        match commit.kind:
            case "edit":
                edits = {"edits": [dict(zip(("at", "delete", "insert"), each, strict=True)) for each in commit.edits]}
                headers = {"Content-Type": EDITS, "If-Match": f'"{len(self.times[commit.file])}"'}
                return author.write("PATCH", path, json=edits, headers=headers).json()
            case "rename":
                title = {"title": self.source.files[commit.file].last.title}
                return author.write("PATCH", path, json=title, headers={"Content-Type": PATCH}).json()
            case "revert":
                return author.write("POST", f"{path}/versions/{commit.version}/restore").json()
            case "delete":
                return author.write("DELETE", path).json()
            case "revive":
                return author.write("POST", f"{path}/restore").json()
        self._move(author, commit.file)
        return None

    def _move(self, author: Account, number: int) -> None:
        folder = self.source.files[number].folder
        place = None if folder is None else self.folders[folder]
        author.write("PUT", f"{self.paths[number]}/folder", 204, json={"folder_id": place})

    @property
    def versions(self) -> Iterator[tuple[str, int, Version, datetime]]:
        """Each version of each file: its path, its number, what it should be, and its time."""
        for path, file, times in zip(self.paths, self.source.files, self.times, strict=True):
            for number, (version, time) in enumerate(zip(file.versions, times, strict=True), start=1):
                yield path, number, version, datetime.fromisoformat(time)


@pytest.fixture(scope="module")
def replay(api: Api) -> Replay:
    replayed = Replay(api)
    for _ in range(COMMITS):
        replayed.replay()
    return replayed


def test_every_version_of_every_file_is_what_its_source_says(replay: Replay) -> None:
    for path, number, version, _ in replay.versions:
        found = replay.authors[1].read(f"{path}/versions/{number}")
        assert (found["title"], found["content"], found["version"]) == (version.title, version.content, number)


def test_every_file_at_every_instant_is_what_its_source_says(replay: Replay) -> None:
    for path, number, version, time in replay.versions:
        found = replay.authors[0].read(path, params={"at": time.isoformat()})
        assert (found["title"], found["content"], found["version"]) == (version.title, version.content, number)
        just_before = {"at": (time - MICROSECOND).isoformat()}
        if number == 1:
            replay.authors[0].read(path, 404, params=just_before)
        else:
            assert replay.authors[0].read(path, params=just_before)["version"] == number - 1


def test_every_difference_applied_is_the_next_version(replay: Replay) -> None:
    for (path, number, old, _), (other, _, new, _) in pairwise(replay.versions):
        if path != other:
            continue
        query = {"from": number, "to": number + 1}
        found = replay.authors[2].read(f"{path}/versions/diff", params=query)
        text = old.content
        for each in reversed(found["changes"]):
            assert text[each["from_start"] : each["from_end"]] == each["deleted"]
            text = text[: each["from_start"]] + each["inserted"] + text[each["from_end"] :]
        assert text == new.content
        accept = {"Accept": "text/x-diff"}
        unified = replay.authors[2].client.get(f"{path}/versions/diff", params=query, headers=accept).content.decode()
        assert patched(old.content, unified) == new.content


def test_the_author_of_every_character_is_known_at_every_version(replay: Replay) -> None:
    for path, number, version, _ in replay.versions:
        found = replay.authors[0].read(f"{path}/versions/blame", params={"version": number})["passages"]
        assert [(each["start"], each["end"], each["version"]) for each in found] == version.passages
        file = replay.source.files[replay.paths.index(path)]
        authors = [str(replay.authors[file.versions[each["version"] - 1].author].id) for each in found]
        assert [each["author_id"] for each in found] == authors


def test_folders_and_trash_are_what_the_source_says(replay: Replay) -> None:
    files = [*zip(replay.paths, replay.source.files, strict=True)]
    for number, folder in [(None, "none"), *enumerate(replay.folders)]:
        listed = listed_files(replay, folder=folder)
        assert listed == {path: each.last.title for path, each in files if each.folder == number and not each.deleted}
    assert listed_files(replay, trashed=True) == {path: each.last.title for path, each in files if each.deleted}


def test_the_history_has_every_trap_every_kind_of_change_and_every_author(replay: Replay) -> None:
    assert {each.kind for each in replay.commits} == {*get_args(Kind)}
    assert {each.author for each in replay.commits} == {*range(AUTHORS)}
    texts = "".join(version.content for _, _, version, _ in replay.versions)
    assert [trap for trap in TRAPS if trap not in texts] == []
    assert {version.title for _, _, version, _ in replay.versions} == {*TITLES}
    assert any(each.deleted for each in replay.source.files)
    assert max(len(version.passages) for _, _, version, _ in replay.versions) > 10


def listed_files(replay: Replay, **query: Any) -> dict[str, str]:
    """The paths and titles of the team's documents in a list."""
    items = replay.authors[0].read("/v1/documents", params={"team": replay.team, "limit": 100, **query})["items"]
    return {f"/v1/documents/{each['id']}": each["title"] for each in items}


def patched(old: str, unified: str) -> str:
    """A text with a unified diff applied, as `patch` does it. Lines end with a line feed only."""
    before, after, at = lines_of(old), list[str](), 0
    for line in lines_of(unified.replace("\n" + NO_LINE_FEED, NUL))[2:]:
        mark, text = line[0], line[1:].rstrip(NUL)
        if mark == "@":
            start, length = map(int, HUNK.findall(line)[0])
            start -= min(length, 1)
            assert at <= start <= len(before)
            after += before[at:start]
            at = start
        elif mark == "+":
            after.append(text)
        else:
            assert before[at] == text
            after += [text] if mark == " " else []
            at += 1
    return "".join([*after, *before[at:]])


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its line feed."""
    return LINE.findall(text)
