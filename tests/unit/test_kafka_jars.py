"""L6: the jars of Kafka are exactly those of the list, whatever Maven downloads."""

from hashlib import sha256
from pathlib import Path

import pytest

from infra.local.servers import kafka_jars
from infra.local.servers.process import ServerError

MAVEN = """#!/bin/sh
for word in "$@"; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done
mkdir "$folder"
printf good > "$folder/one.jar"
printf good > "$folder/two.jar"
"""


@pytest.fixture(autouse=True)
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Maven that brings two jars."""
    program = tmp_path / "mvn"
    program.write_text(MAVEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kafka_jars, "DIGESTS", tmp_path / "list")


def expect(tmp_path: Path, **contents: str) -> None:
    """Write the list of jars."""
    lines = [f"{sha256(content.encode()).hexdigest()}  {name}.jar\n" for name, content in contents.items()]
    (tmp_path / "list").write_text("".join(lines))


def test_the_jars_of_the_list_are_taken(tmp_path: Path) -> None:
    expect(tmp_path, one="good", two="good")
    assert sorted(file.name for file in kafka_jars.jars().iterdir()) == ["one.jar", "two.jar"]


@pytest.mark.parametrize(
    ("contents", "odd"),
    [
        ({"one": "good", "two": "other"}, "two.jar"),
        ({"one": "good"}, "two.jar"),
        ({"one": "good", "two": "good", "three": "good"}, "three.jar"),
    ],
)
def test_a_jar_that_is_different_unknown_or_missing_is_named_and_nothing_is_kept(
    tmp_path: Path, contents: dict[str, str], odd: str
) -> None:
    expect(tmp_path, **contents)
    with pytest.raises(ServerError, match=rf"not the expected ones: {odd}\. They are not used"):
        kafka_jars.jars()
    assert not [path for path in (tmp_path / "cache" / "palimpsest").iterdir() if path.suffix not in (".lock", ".new")]
