"""The worked example of the README, put into a copy of the project."""

import re
import shutil
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FOLDERS = ("domain", "application", "projections", "adapters", "infra", "tests")
BLOCK = re.compile(r"```(?:python|jinja)\n(?:# |\{# )(?P<path>\S+)(?: -#\})?\n(?P<code>.*?)```", re.DOTALL)


def files(context: str = "content") -> dict[str, str]:
    """The example's files by path, in the context."""
    blocks = BLOCK.finditer((PROJECT / "README.md").read_text())
    return {
        block["path"].replace("/content/", f"/{context}/"): block["code"].replace(
            ".content.bookmark", f".{context}.bookmark"
        )
        for block in blocks
    }


def copy_with_example(folder: Path, context: str = "content") -> Path:
    """Copy the project into the folder and add the example's files, which must be new."""
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    for path, code in files(context).items():
        target = folder / path
        assert not target.exists(), f"{path} is not new"
        target.parent.mkdir(exist_ok=True)
        target.write_text(code)
    return folder
