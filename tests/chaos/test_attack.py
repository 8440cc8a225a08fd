"""Ordinary clients while strangers attack in every way: the short form of the attack in `make chaos`."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.__main__ import under_attack
from tests.chaos.attack import MAX_MEBIBYTES, Outcome
from tests.chaos.attackers import KINDS, OPEN
from tests.chaos.ordinary import Measured

QUIET_SECONDS, SECONDS = 5.0, 40.0


@pytest.mark.chaos
def test_an_attack_gives_ordinary_clients_no_error_and_takes_bounded_memory() -> None:
    """How much slower they are is printed; `make chaos` judges it."""
    outcome = under_attack(QUIET_SECONDS, SECONDS)
    assert outcome.violations == []
    assert min(map(len, outcome.attacked.seconds.values())) >= 100
    assert {kind for kind, answers in outcome.met.items() if not answers.keys() - {OPEN}} <= {"half bodies"}


def measured(milliseconds: int, errors: tuple[str, ...] = ()) -> Measured:
    found = Measured(errors=[*errors])
    found.seconds["read"] += [n * milliseconds / 100_000 for n in range(100)]
    return found


MET = {name: Counter({min(kind.right): 1, OPEN: 1}) for name, kind in KINDS.items()}
HELD_OFF = Outcome(measured(10), measured(29), MET, {"api1": 300.0}, [])


def test_an_attack_that_is_held_off_violates_nothing() -> None:
    assert (HELD_OFF.violations, HELD_OFF.delays) == ([], [])


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (replace(HELD_OFF, quiet=measured(10, ("503",))), "an ordinary client: 503"),
        (replace(HELD_OFF, attacked=measured(10, ("503",))), "an ordinary client: 503"),
        (replace(HELD_OFF, peaks={"api1": 300.0, "api2": MAX_MEBIBYTES + 1.0}), f"api2 took {MAX_MEBIBYTES + 1} MiB"),
        (replace(HELD_OFF, met={**MET, "bombs": Counter({"422": 5, "500": 1})}), "bombs met with 500"),
        (replace(HELD_OFF, met={**MET, "bombs": Counter()}), "bombs never came"),
        (replace(HELD_OFF, failures=["api1: Traceback"]), "api1: Traceback"),
    ],
)
def test_what_an_attack_breaks_is_found(outcome: Outcome, words: str) -> None:
    assert outcome.violations == [words]


def test_a_delay_of_more_than_three_times_is_found() -> None:
    assert replace(HELD_OFF, attacked=measured(31)).delays == ["read took 3.1 times as long"]


def test_an_operation_that_was_never_done_under_attack_is_delayed() -> None:
    assert replace(HELD_OFF, attacked=Measured()).delays == ["read took inf times as long"]
