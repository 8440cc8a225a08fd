"""Other code to replay with: the packages that fold, from a checkout or a wheel, in place of ours."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from infra.errors import SetupError
from infra.replay.code_version import PACKAGES


def run_with(code: Path, command: Sequence[str]) -> int:
    """Run a module of ours with arguments in a process whose packages `PACKAGES` are those of `code`. Returns its code.

    They are copied first, so the process imports what is there now, and writes nothing there.

    Raises:
        SetupError: there is no such code.
    """
    with _copied(code) as folder:
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([sys.executable, "-P", "-m", *command], env=environment, check=False).returncode


@contextmanager
def _copied(code: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix="palimpsest-code-") as name:
        folder = Path(name)
        try:
            if code.is_dir():
                _copy(code, folder)
            else:
                _extract(code, folder)
        except (OSError, BadZipFile) as error:
            raise SetupError(f"{code} is neither a checkout nor a wheel that can be read ({error}).") from None
        missing = [package for package in PACKAGES if not (folder / package / "__init__.py").exists()]
        if missing:
            raise SetupError(f"{code} has no package {missing[0]}: give the folder of a checkout, or a wheel.")
        yield folder


def _copy(code: Path, folder: Path) -> None:
    for package in PACKAGES:
        if (code / package).is_dir():
            shutil.copytree(code / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def _extract(code: Path, folder: Path) -> None:
    with ZipFile(code) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.partition("/")[0] in PACKAGES])
