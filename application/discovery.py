"""Discovery: imports every module of a package, so that its classes and decorators register themselves."""

import importlib
from functools import cache
from pathlib import Path


@cache
def import_all(package: str) -> None:
    """Import every module of `package`, once, in folders of any depth, in the order of their names.

    Searches files, not packages: a folder without `__init__.py` must not be skipped silently.

    Raises:
        ImportError: a module cannot be imported.
    """
    for folder in importlib.import_module(package).__path__:
        for file in sorted(Path(folder).rglob("*.py")):
            module = file.relative_to(folder).with_suffix("")
            importlib.import_module(".".join([package, *(part for part in module.parts if part != "__init__")]))
