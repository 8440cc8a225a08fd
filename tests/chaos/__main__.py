"""`make chaos`: kills every part of a house under load, again and again, then checks what must never break.

Then a house is attacked while ordinary clients use it.
"""

import logging
import random
from typing import Annotated

import structlog
import typer

from tests.chaos import attack
from tests.chaos.house import open_house
from tests.chaos.report import console, show, show_attack
from tests.chaos.run import Outcome, run

QUIET_SECONDS = 60.0
"""How long ordinary clients are measured before an attack, to compare."""


def main(
    minutes: Annotated[float, typer.Option(min=0.05, max=24 * 60, help="How long to kill.")] = 2,
    seed: Annotated[int | None, typer.Option(help="Repeats the choices of an earlier run.")] = None,
    attack_minutes: Annotated[
        float, typer.Option("--attack", min=0.05, max=24 * 60, help="How many minutes to attack.")
    ] = 10,
) -> None:
    """Kill, check, attack, and end with 1 if anything did not hold."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    outcomes = [chaos(number, seconds, brokers) for seconds, brokers in shares(minutes * 60)]
    attacked = under_attack(QUIET_SECONDS, attack_minutes * 60)
    raise typer.Exit(
        1 if attacked.violations or attacked.delays or any(outcome.violations for outcome in outcomes) else 0
    )


def shares(seconds: float) -> list[tuple[float, int]]:
    """Half of the time for a house without brokers, a quarter each for one with one and one with three."""
    return [(seconds / 2, 0), (seconds / 4, 1), (seconds / 4, 3)]


def chaos(seed: int, seconds: float, brokers: int = 0) -> Outcome:
    """A run in a house of its own, shown. What it leaves behind is kept if something did not hold."""
    console.print(f"Seed {seed}, {brokers or 'no'} broker{'s' if brokers != 1 else ''}")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with open_house(brokers) as house:
        console.print(f"Ledger and logs: {house.folder}")
        outcome = run(house, seed, seconds)
        show(outcome)
        house.keep = bool(outcome.violations)
        return outcome


def under_attack(quiet_seconds: float, seconds: float) -> attack.Outcome:
    """An attack on a house of its own, shown. What it leaves behind is kept if something did not hold."""
    console.print(f"{quiet_seconds:.0f} s in quiet, {seconds:.0f} s under attack")
    with open_house() as house:
        console.print(f"Logs: {house.folder}")
        outcome = attack.run_attack(house, quiet_seconds, seconds)
        show_attack(outcome)
        house.keep = bool(outcome.violations)
        return outcome


if __name__ == "__main__":
    typer.run(main)
