"""Loads settings: from the environment, else from the file that `palimpsest up` keeps in its data folder.

A wrong value is an error that names the variable, says what is wrong and never contains a secret.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.settings.errors import SettingsError
from infra.settings.installation import DEFAULT_DATA_DIR, InstallationSettings
from infra.settings.keys import KEYS_FILE, KeySettings
from infra.settings.model import ReaderSettings, Settings, SubjectGroup

SERVERS_FILE = "servers.env"
"""Addresses from the last start of `palimpsest up`: the embedded servers and the API."""

FILES = (SERVERS_FILE,)

DATA_DIR = InstallationSettings.variable("data_dir")
KEYS_FILE_VARIABLE = KeySettings.variable("file")

G = TypeVar("G", bound=SubjectGroup)


def load(
    data_dir: Path | None = None, overrides: Mapping[str, Any] | None = None, *, files: Sequence[str] = FILES
) -> Settings:
    """The settings of this process.

    `overrides` by variable come first, then the environment, then `files` of the data folder, the last one first.
    An override that is None and an empty variable count as not set.

    Raises:
        SettingsError: some settings are missing or wrong.
    """
    given = {**(overrides or {}), DATA_DIR: data_dir}
    return _validated(Settings, _values(data_dir or data_folder(), files, given))


def load_for_reading() -> ReaderSettings:
    """The settings of a process that only reads the published stream.

    Raises:
        SettingsError: some settings are wrong.
    """
    return _validated(ReaderSettings, _values(data_folder(), FILES, {}))


def data_folder() -> Path:
    """The data folder. It must be known before the settings in it can be loaded."""
    return Path(os.environ.get(DATA_DIR) or DEFAULT_DATA_DIR)


def _values(folder: Path, files: Sequence[str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {KEYS_FILE_VARIABLE: folder / KEYS_FILE}
    sources: list[Mapping[str, str | None]] = [*(dotenv_values(folder / name) for name in files), os.environ]
    for source in sources:
        values |= {name.upper(): value for name, value in source.items() if value}
    return values | {name: value for name, value in overrides.items() if value is not None}


def _validated(group: type[G], values: Mapping[str, Any]) -> G:
    try:
        return group.from_variables(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(group, error))) from None


def _lines(group: type[SubjectGroup], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] != "default_factory_not_called":  # a consequence of another error
            yield f"{_variable(group, problem)} {_explanation(problem)}"


def _variable(group: type[SubjectGroup], problem: ErrorDetails) -> str:
    """The variable of an error. Pydantic names a wrong value by its variable, and a wrong default by its field."""
    name, item = map(str, problem["loc"][:2])
    subject = group.subjects()[name]
    return subject.variable(item) if item in subject.model_fields else item


def _explanation(problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return "is not set. Set it, or start with `palimpsest up`, which sets it."
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    return f"is wrong: {problem['msg'][0].lower()}{problem['msg'][1:]}."
