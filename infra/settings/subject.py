"""The base of a subject's settings. Each setting names its environment variable, so that a search finds both."""

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Port = Annotated[int, Field(ge=1, le=65535)]


class Subject(BaseModel):
    """Settings that belong together. A subject is validated from all variables and takes its own."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return str(cls.model_fields[field].validation_alias)


def url_check(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """A validator for addresses with one of the schemes."""

    def check(value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            target = parts.hostname or parts.query or (parts.scheme == "unix" and parts.path)
            complete = parts.scheme in schemes and bool(target) and parts.port != 0
            # A password that is parsed as another part of the address would be displayed as that part.
            unambiguous = "#" not in url and url.count("@") == parts.netloc.count("@") <= 1
        except ValueError:
            complete = unambiguous = False
        if not (complete and unambiguous):
            raise ValueError(
                f"is not an address like {schemes[0]}://user:password@host:port/name "
                "(percent-encode special characters in user and password)"
            )
        return value

    return check
