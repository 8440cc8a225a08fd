"""The summary of a run, on one screen."""

from rich.console import Console
from rich.table import Table

from tests.chaos import attack
from tests.chaos.evidence import Evidence
from tests.chaos.run import Outcome

SHOWN = 10

console = Console(soft_wrap=True, highlight=False)


def show(outcome: Outcome) -> None:
    """Print the kills, their results and the verdict."""
    evidence = outcome.evidence
    kills = ", ".join(f"{name} {count}" for name, count in sorted(outcome.kills.items()))
    console.print(f"{outcome.seconds:.0f} s under load")
    console.print(f"Kills: {outcome.kills.total()} ({kills})")
    console.print(", ".join(f"{name} [bold]{count:,}[/]" for name, count in figures_of(outcome).items()))
    table = Table("", "invariant", "examined", "violated")
    for finding in outcome.findings:
        number = str(finding.invariant) if finding.invariant else ""
        violated = f"[bold red]{len(finding.violations)}[/]" if finding.violations else "0"
        table.add_row(number, finding.words, f"{finding.examined:,}", violated)
    console.print(table)
    if outcome.stream is not None:
        for topic, count in outcome.stream.counts.items():
            console.print(f"{topic}: {count.events:,} as they should be, {count.repeats:,} repeats")
    for words in outcome.violations[:SHOWN]:
        console.print(f"  {words}", style="red", markup=False)
    checked = len({finding.invariant for finding in outcome.findings} - {0})
    verdict = "[bold red]VIOLATED[/]" if outcome.violations else "[bold green]all hold[/]"
    console.print(
        f"{checked} invariants in {len(outcome.findings)} checks of {len(evidence.log):,} events: {verdict}\n"
    )


def show_attack(outcome: attack.Outcome) -> None:
    """Print how ordinary clients fared, how each kind of attack was met, what it took, and the verdict."""
    times = Table("operation", "in quiet: count", "p95, ms", "under attack: count", "p95, ms", "times as long")
    for name, slowdown in outcome.slowdowns.items():
        cells = (
            cell
            for measured in (outcome.quiet, outcome.attacked)
            for cell in (f"{len(measured.seconds[name]):,}", f"{measured.p95(name) * 1000:.1f}")
        )
        times.add_row(name, *cells, f"{slowdown:.1f}")
    console.print(times)
    for kind, answers in outcome.met.items():
        console.print(f"{kind}: {', '.join(f'{answer} {count:,}' for answer, count in sorted(answers.items()))}")
    console.print("Most MiB: " + ", ".join(f"{name} {peak:.0f}" for name, peak in outcome.peaks.items()))
    wrong = [*outcome.violations, *outcome.delays]
    for words in wrong[:SHOWN]:
        console.print(f"  {words}", style="red", markup=False)
    console.print("[bold red]NOT HELD OFF[/]\n" if wrong else "[bold green]held off[/]\n")


def figures_of(outcome: Outcome) -> dict[str, int]:
    """The run in numbers."""
    ledger, findings = outcome.evidence.ledger, {finding.words: finding for finding in outcome.findings}
    attempts = ledger.attempts.values()
    lost = findings["what was acknowledged is in the log"].violations
    twice = findings["a key has one effect and one answer"].violations
    return {
        "appends acknowledged": sum(
            1 for attempt in attempts if attempt.acknowledged and not attempt.acknowledged.replayed
        ),
        "lost": len(lost),
        "duplicated": sum("times" in words for words in twice),
        "requests unanswered": sum(
            1 for attempt in attempts if attempt.answered is None or attempt.answered.status == 0
        ),
        "refused": sum(attempt.refused for attempt in attempts),
        "events": len(outcome.evidence.log),
        **_work_of(outcome.evidence),
        "reads": len(ledger.saw),
        "reads that lag": sum(saw.lag > 0 for saw in ledger.saw),
    }


def _work_of(evidence: Evidence) -> dict[str, int]:
    if evidence.work is None:
        return {}
    mails = [mail.message_id for mail in evidence.work.mails]
    texts = {call.generation_id for call in evidence.work.calls}
    return {
        "jobs": len(evidence.work.jobs),
        "mails": len(mails),
        "mails that came again": len(mails) - len(set(mails)),
        "texts": len(texts),
        "texts that were asked for again": len(evidence.work.calls) - len(texts),
    }
