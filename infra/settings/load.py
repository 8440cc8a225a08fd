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

from infra.settings.database import DatabaseSettings, OwnerSettings, Part
from infra.settings.errors import SettingsError
from infra.settings.installation import DEFAULT_DATA_DIR, InstallationSettings
from infra.settings.keys import KEYS_FILE, KeySettings
from infra.settings.model import MailerSettings, MigrationSettings, ReaderSettings, Settings, SubjectGroup

SERVERS_FILE = "servers.env"
"""Addresses from the last start of `palimpsest up`: the embedded servers, without the database, and the API."""

DATABASE_FOLDER = "database"
"""Addresses of the embedded database from the last start of `palimpsest up`: a file for each part."""

DATA_DIR = InstallationSettings.variable("data_dir")
KEYS_FILE_VARIABLE = KeySettings.variable("file")
DATABASE_URL = DatabaseSettings.variable("url")
DATABASE_ADMIN_URL = OwnerSettings.variable("url")

G = TypeVar("G", bound=SubjectGroup)


def database_file(part: Part) -> str:
    """The file with the part's address of the embedded database, within the data folder."""
    return f"{DATABASE_FOLDER}/{part}.env"


def load(
    data_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    part: Part = "api",
    files: Sequence[str] | None = None,
) -> Settings:
    """The settings of a process that acts as `part`.

    `overrides` by variable come first, then the environment, then `files` of the data folder, the last one first; by
    default those of the part. An override that is None and an empty variable count as not set.

    Raises:
        SettingsError: some settings are missing or wrong.
    """
    given = {**(overrides or {}), DATA_DIR: data_dir}
    wanted = [SERVERS_FILE, database_file(part)] if files is None else files
    return _validated(Settings, _values(data_dir or data_folder(), wanted, given))


def load_for_migration(data_dir: Path | None = None) -> MigrationSettings:
    """The settings of a process that changes or checks the schema.

    Raises:
        SettingsError: some settings are missing or wrong.
    """
    values = _values(data_dir or data_folder(), [database_file("owner")], {})
    if DATABASE_URL in values:
        values.setdefault(DATABASE_ADMIN_URL, values[DATABASE_URL])
    return _validated(MigrationSettings, values)


def load_for_reading() -> ReaderSettings:
    """The settings of a process that only reads the published stream.

    Raises:
        SettingsError: some settings are wrong.
    """
    return _validated(ReaderSettings, _values(data_folder(), [SERVERS_FILE], {}))


def load_for_mail() -> MailerSettings:
    """The settings of a process that only sends mails.

    Raises:
        SettingsError: some settings are wrong.
    """
    folder = data_folder()
    return _validated(MailerSettings, {**_values(folder, [SERVERS_FILE], {}), DATA_DIR: folder})


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
