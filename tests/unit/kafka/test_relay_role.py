"""The role `relay` ends with the sentence of a `SetupError`, if there is one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.bootstrap import relay
from infra.errors import SetupError
from infra.settings.model import Settings


async def no_check() -> None:
    """Keys that need no check."""


CORE = SimpleNamespace(url="", database=None, keyring=None, store=None, guard=SimpleNamespace(require=no_check))
SETTINGS = cast(Settings, SimpleNamespace(http=SimpleNamespace(public_url="http://127.0.0.1:8000")))


@asynccontextmanager
async def open_write_side(*_: object) -> AsyncIterator[SimpleNamespace]:
    yield CORE


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([SetupError("the sentence")], SetupError),
        ([OSError("something else, on the way out"), SetupError("the sentence")], SetupError),
        ([OSError("unforeseen")], ExceptionGroup),
    ],
)
async def test_other_errors_at_the_end_do_not_hide_the_sentence(
    errors: list[Exception], raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish(*_: Any) -> None:
        raise ExceptionGroup("of the tasks", errors)

    monkeypatch.setattr(relay, "open_write_side", open_write_side)
    monkeypatch.setattr(relay, "publish", publish)
    with pytest.raises(raised, match=r"sentence|of the tasks"):
        await relay._relay(SETTINGS, {}, cast(Any, None))
