"""Subscriptions to the log: what a subscriber gets when listening fails."""

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.store.recorder import PostgresRecorder, _Subscription


def test_a_subscriber_gets_the_error_of_its_listener() -> None:
    def connection() -> AbstractContextManager[Any]:
        raise OSError("the server is gone")

    recorder = SimpleNamespace(pool=SimpleNamespace(connection=connection), select_notifications=lambda **_: [])
    with pytest.raises(OSError, match="gone"), _Subscription(cast(PostgresRecorder, recorder), None, ()) as notified:
        next(notified)
