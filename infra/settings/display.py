"""Settings for people: all values with secrets masked, and variables that look misspelt."""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from infra.settings.model import SubjectGroup, variables

PREFIX = "PALIMPSEST_"
MASK = "****"


def shown(settings: SubjectGroup) -> Iterator[tuple[str, str, str]]:
    """Variable, value and description of every setting, with secrets masked."""
    for name, subject in settings.subjects().items():
        values = getattr(settings, name)
        for field, info in subject.model_fields.items():
            yield subject.variable(field), _masked(field, getattr(values, field)), info.description or ""


def misspelt() -> Iterator[str]:
    """A sentence for each environment variable that has the prefix of settings but is none."""
    known = {variable.removeprefix(PREFIX): variable for variable in variables()}
    for name in os.environ:
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known.values():
            close = get_close_matches(upper.removeprefix(PREFIX), known, 1)
            suggestion = "".join(f"; {known[match]} is" for match in close)
            yield f"{name} is not a setting{suggestion}."


def without_password(url: SecretStr) -> str:
    """An address that may be shown."""
    parts = urlsplit(url.get_secret_value())
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    query = MASK if "password" in parts.query else parts.query
    return urlunsplit(parts._replace(netloc=f"{user}:{MASK}@{host}" if colon else parts.netloc, query=query))


def _masked(field: str, value: Any) -> str:
    """The value as it may be shown. Of secrets, only addresses (the fields `url`) have a part that is none."""
    if isinstance(value, SecretStr):
        return without_password(value) if field == "url" else MASK
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)
