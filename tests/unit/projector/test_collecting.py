"""The cyclic GC is off while rows accumulate, and as before afterwards."""

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from infra.projector.rebuild.bulk_load import gc_disabled


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_is_off_meanwhile_and_on_again_after_an_error() -> None:
    with suppress(ValueError), gc_disabled():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


def test_a_nested_block_does_not_turn_the_collector_on() -> None:
    with gc_disabled():
        with gc_disabled():
            pass
        assert not gc.isenabled()
    gc.disable()
    with gc_disabled():
        pass
    assert not gc.isenabled()
