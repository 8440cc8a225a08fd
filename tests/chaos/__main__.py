"""`make chaos`: kills every part of a house under load, again and again, then checks what must never break."""

import logging
import random
from typing import Annotated

import structlog
import typer

from tests.chaos.house import open_house
from tests.chaos.report import console, show
from tests.chaos.run import Outcome, run


def main(
    minutes: Annotated[float, typer.Option(min=0.05, max=24 * 60, help="How long to kill.")] = 2,
    seed: Annotated[int | None, typer.Option(help="Repeats the choices of an earlier run.")] = None,
) -> None:
    """Kill, check, and end with 1 if anything did not hold."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    outcomes = [chaos(number, seconds, brokers) for seconds, brokers in shares(minutes * 60)]
    raise typer.Exit(1 if any(outcome.violations for outcome in outcomes) else 0)


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


if __name__ == "__main__":
    typer.run(main)
