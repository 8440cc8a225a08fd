"""`make mutants`: changes the product in one place at a time, and looks whether the quick tests notice."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.architecture.source import PROJECT
from tests.mutants.mutants import ROOMS, Mutant, harmless, sample_of_each
from tests.mutants.session import KILLED, SURVIVED, TIMEOUT, Results, Tree, Unfit, run, state_of

GOAL = 0.95
console = Console()


def main(
    seed: Annotated[int | None, typer.Option(help="Repeats the draw of an earlier run.")] = None,
    minutes: Annotated[float, typer.Option(min=0, help="How long to begin mutants; run again to go on.")] = 60,
    count: Annotated[int, typer.Option(min=1, help="How many to draw of each room.")] = 50,
    only: Annotated[str, typer.Option(help="Only rooms whose name matches this pattern.")] = "",
    servers: Annotated[bool, typer.Option(help="Try survivors with the tests on servers of their room, too.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="How many to try at once.")] = 2,
) -> None:
    """Try a sample, report, and end with 1 if fewer than 95 % were found in a room."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    console.print(f"Seed {seed}")
    kept = PROJECT / ".mutants"
    results = Results(kept / "results.jsonl", f"{state_of(PROJECT / 'tests')} servers={servers}")
    reasons = harmless()
    drawn = sample_of_each(PROJECT, only, seed, count)
    matter = [mutant for mutant in drawn if mutant.change not in reasons]
    console.print(f"{len(drawn) - len(matter)} of {len(drawn)} are known survivors without harm.")
    left = [mutant for mutant in matter if results.of(mutant) is None]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress, TemporaryDirectory(prefix="palimpsest-mutants-") as folder:
        trees = [Tree.copy(PROJECT, Path(folder) / str(number)) for number in range(workers)]
        task = progress.add_task("mutants", total=len(matter), completed=len(matter) - len(left))

        def keep(mutant: Mutant, outcome: str, test: str) -> None:
            results.keep(mutant, outcome, test)
            progress.advance(task)
            if outcome != KILLED:
                show(mutant, outcome)

        try:
            run(trees, left, keep, minutes * 60, servers, kept)
        except Unfit as unfit:
            console.print(f"Without any mutation, {unfit} fails: run `make test` first.", markup=False)
            raise typer.Exit(2) from None
        finally:
            for tree in trees:
                tree.close()
    raise typer.Exit(0 if report(matter, results) >= GOAL else 1)


def show(mutant: Mutant, outcome: str) -> None:
    """One mutant that was not killed."""
    text = f"{outcome} {mutant.path}:{mutant.line}\n  - {mutant.was}\n  + {mutant.becomes}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def report(matter: Sequence[Mutant], results: Results) -> float:
    """Show the counts of each room and every survivor. Returns the lowest share of a room that was found."""
    counts = Counter((mutant.room, results.of(mutant)) for mutant in matter)
    table = Table("room", KILLED, TIMEOUT, SURVIVED, "not tried", "found")
    shares = []
    for room in sorted({mutant.room for mutant in matter}, key=ROOMS.index):
        killed, timeout, survived, left = (counts[room, outcome] for outcome in (KILLED, TIMEOUT, SURVIVED, None))
        found = (killed + timeout) / (killed + timeout + survived or 1)
        shares.append(found)
        table.add_row(room, *map(str, (killed, timeout, survived, left)), f"{found:.1%}")
    console.print(table)
    for mutant in matter:
        if results.of(mutant) == SURVIVED:
            show(mutant, SURVIVED)
    if any(results.of(mutant) is None for mutant in matter):
        console.print("Some are left: run again with this seed.")
    return min(shares, default=0.0)


if __name__ == "__main__":
    typer.run(main)
