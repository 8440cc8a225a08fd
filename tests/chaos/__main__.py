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
    minutes: Annotated[float, typer.Option(min=0.05, max=24 * 60, help="How long to kill.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Repeats the choices of an earlier run.")] = None,
) -> None:
    """Kill, check, and end with 1 if anything did not hold."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    number = random.SystemRandom().randrange(10**6) if seed is None else seed
    raise typer.Exit(1 if chaos(number, minutes * 60).violations else 0)


def chaos(seed: int, seconds: float) -> Outcome:
    """A run in a house of its own, shown. What it leaves behind is kept if something did not hold."""
    console.print(f"Seed {seed} (python -m tests.chaos --minutes {seconds / 60:.2g} --seed {seed})")
    with open_house() as house:
        console.print(f"Ledger and logs: {house.folder}")
        outcome = run(house, seed, seconds)
        show(outcome)
        house.keep = bool(outcome.violations)
        return outcome


if __name__ == "__main__":
    typer.run(main)
