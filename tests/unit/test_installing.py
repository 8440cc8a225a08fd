"""L6: whatever this project installs is named by version and hash, in a file of the tree."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "tests/requirements.lock", ".ci/lock.txt"]


def installs() -> list[str]:
    """The commands in the Makefile and in .ci that install Python packages."""
    texts = [(PROJECT / name).read_text().replace("\\\n", " ") for name in ("Makefile", ".ci/environment")]
    return [line.strip() for text in texts for line in text.splitlines() if re.search(r"pip(\"?|) install ", line)]


def test_every_installation_is_bound_to_hashes_or_needs_no_index() -> None:
    assert len(installs()) == 3
    for command in installs():
        assert ("--require-hashes" in command and "--no-deps" in command) or "--no-index" in command, command


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_one_version_and_hashes(name: str) -> None:
    packages = (PROJECT / name).read_text().replace("\\\n", " ").splitlines()
    assert len(packages) > 40
    for package in packages:
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+ ", package), package
        assert " --hash=sha256:" in package


def test_the_jars_of_kafka_have_hashes() -> None:
    lines = (PROJECT / "infra/local/servers/kafka.sha256").read_text().splitlines()
    assert len(lines) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}  \S+\.jar", line) for line in lines)
