"""L8: the commands that people paste show no secret to other users, who can see the arguments of every process."""

import re
import subprocess
from pathlib import Path

import pytest

from infra.cli.demo_account import DemoAccount, walk

PROJECT = Path(__file__).parents[2]
CURL = """#!/bin/sh
echo "$@" >> {seen}
case "$*" in *" @-"*) cat >> {sent}; echo '{{"access_token": "canary-token"}}';; esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an odd name, beside a `curl` that notes its arguments and its input."""
    folder = tmp_path / "it's a folder"
    (folder / ".palimpsest").mkdir(parents=True)
    (folder / ".palimpsest" / "demo-password").write_text("canary-password")
    curl = tmp_path / "curl"
    curl.write_text(CURL.format(seen=tmp_path / "seen", sent=tmp_path / "sent"))
    curl.chmod(0o755)
    return folder


def readme() -> str:
    """The commands of the README's walk."""
    text = (PROJECT / "README.md").read_text().partition("## Five minutes")[2].partition("## The map")[0]
    return "".join(re.findall("```sh\n(.*?)```", text, re.DOTALL))


def printed(folder: Path) -> str:
    """The walk that `make run` prints."""
    account = DemoAccount("demo@example.com", "canary-password", folder / ".palimpsest" / "demo-password")
    return walk("http://127.0.0.1:8000", account)


@pytest.mark.parametrize("source", ["printed", "readme"])
def test_l8_no_password_and_no_token_is_an_argument_of_a_command(folder: Path, source: str) -> None:
    commands = printed(folder) if source == "printed" else readme()
    environment = {"PATH": f"{folder.parent}:/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(folder.parent)}
    subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, check=True, capture_output=True)
    arguments = (folder.parent / "seen").read_text()
    assert len(arguments.splitlines()) == 3
    assert "canary" not in arguments
    assert (folder.parent / "sent").read_text() == '{"email": "demo@example.com", "password": "canary-password"}'
