"""The version of the code that folds: a hash over all that decides which rows follow from a log.

It is SHA-256 over a line for each file, `PATH HASH`, in the order of the paths: every Python file of the packages
`domain`, `application` and `projections`, and the files of `infra` in `FILES`. PATH begins with the package, with `/`
between its parts; HASH is the SHA-256 of the file in hexadecimal digits. Libraries and Python itself have no part in
it: they must not change the rows, and the digests would show it.
"""

import hashlib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("domain", "application", "projections")
FILES = (
    "infra/postgres/arrays.py",
    "infra/projector/statements.py",
    "infra/projector/table_writer.py",
    "infra/replay/digest_fold.py",
    "infra/replay/fold.py",
    "infra/replay/row_digest.py",
    "infra/replay/stream_order.py",
    "infra/store/codec.py",
    "infra/store/event_bytes.py",
    "infra/store/log_rows.py",
    "infra/store/partitioner.py",
)
"""How events are decoded, ordered and folded, how `Totals` choose a slot, and how rows are encoded."""


class CodeVersion(NamedTuple):
    """The release, which tells people where to look, and the hash, which decides."""

    release: str
    digest: bytes


def code_version() -> CodeVersion:
    """Return the version of the code of this process."""
    whole = hashlib.sha256()
    for path, file in sorted(_files()):
        whole.update(f"{path} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return CodeVersion(version("palimpsest"), whole.digest())


def folder_of(package: str) -> Path:
    """Return the folder from which a package is imported."""
    return Path(import_module(package).__path__[0])


def _files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        folder = folder_of(package)
        for file in folder.rglob("*.py"):
            yield f"{package}/{file.relative_to(folder).as_posix()}", file
    infra = folder_of("infra")
    for path in FILES:
        yield path, infra.parent / path
