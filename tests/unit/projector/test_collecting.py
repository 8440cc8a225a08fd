"""While rows gather nobody looks for garbage among them, and afterwards all is as it was."""

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from infra.projector.rebuild.bulk_load import collecting_later


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_rests_meanwhile_and_works_again_whatever_happens() -> None:
    with suppress(ValueError), collecting_later():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


def test_whoever_begins_while_it_rests_does_not_wake_it() -> None:
    with collecting_later():
        with collecting_later():
            pass
        assert not gc.isenabled()
    gc.disable()
    with collecting_later():
        pass
    assert not gc.isenabled()
