"""L8: the commands that people paste show no secret to other users, who can see the arguments of every process."""

import re
import subprocess
from pathlib import Path

import pytest

from infra.cli.demo_account import walk

PROJECT = Path(__file__).parents[2]
CURL = """#!/bin/sh
printf '%s\\n' "$*" >> {seen}
case "$*" in *" @-"*) cat >> {sent}; echo '{{"access_token": "canary-access"}}';; esac
"""
MAIL = "To: me-7@example.com\r\n\r\nhttp://127.0.0.1:8000/v1/auth/links/verify#token=3Dcanary-=\r\nlink\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an odd name and a mail, beside a `curl` that notes its arguments and its input."""
    folder = tmp_path / "it's a folder"
    (folder / ".palimpsest" / "mail").mkdir(parents=True)
    (folder / ".palimpsest" / "mail" / "1.eml").write_text(MAIL, newline="")
    curl = CURL.format(seen=tmp_path / "seen", sent=tmp_path / "sent")
    for name, content in {"curl": curl, "date": "#!/bin/sh\necho 7\n"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    return folder


def readme() -> str:
    """The commands of the README's walk."""
    text = (PROJECT / "README.md").read_text().partition("## Five minutes")[2].partition("## The map")[0]
    return "".join(re.findall("```sh\n(.*?)```", text, re.DOTALL))


def printed(folder: Path) -> str:
    """The walk that `make run` prints."""
    return walk("http://127.0.0.1:8000", folder / ".palimpsest" / "mail")


@pytest.mark.parametrize("source", ["printed", "readme"])
def test_l8_no_password_and_no_token_is_an_argument_of_a_command(folder: Path, source: str) -> None:
    commands = printed(folder) if source == "printed" else readme()
    home = folder.parent
    environment = {"PATH": f"{home}:/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(home)}
    subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, check=True, capture_output=True)
    [password] = {text for file in home.glob("tmp.*") if "canary" not in (text := file.read_text())}
    arguments = (home / "seen").read_text()
    refreshed = '{"refresh_token": "the one of the login"}' if source == "readme" else ""
    assert len(arguments.splitlines()) == 5 + bool(refreshed)
    assert "canary" not in arguments
    assert password not in arguments
    assert (home / "sent").read_text() == (
        f'{{"email": "me-7@example.com", "name": "Me", "password": "{password}"}}{{"token": "canary-link"}}'
        f'{{"email": "me-7@example.com", "password": "{password}"}}{refreshed}'
    )
