"""`palimpsest policies`: shows how far policies have come, and releases their quarantined streams."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.table import Table

from application.policy import POLICIES, Policy
from infra.bootstrap.links import open_link_tokens
from infra.bootstrap.policies import policy_parts
from infra.bootstrap.write_side import WriteSide, load_use_cases
from infra.cli.consumers import Stream, require_release, run_as, show_quarantine, status
from infra.cli.terminal import Terminal, failure
from infra.policies.consumer import retry_policy
from infra.policies.tables import POLICY_CHECKPOINTS, POLICY_GAUGES
from infra.projector.consumers import BatchPostponed
from projections.kernel import Poison

T = TypeVar("T")

app = typer.Typer(
    help="Manage the policies.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Terminal()

PolicyName = Annotated[str, typer.Argument(help="Name of the policy, from `palimpsest policies list`")]


@app.command("list")
def show() -> None:
    """Show the position and lag of each policy, and the streams in quarantine."""
    lag_of_policies, quarantined = _run(lambda core: status(core, POLICY_CHECKPOINTS, POLICY_GAUGES))
    table = Table("policy", "position", "behind", "seconds", "in quarantine")
    for lag in lag_of_policies:
        table.add_row(*map(str, (lag.name, lag.position, lag.behind, f"{lag.seconds:.1f}", lag.quarantined)))
    console.print(table)
    show_quarantine(console, quarantined)


@app.command()
def retry(name: PolicyName, stream: Stream) -> None:
    """Release a stream from quarantine: react to the events it missed. What was done already is not repeated."""
    _release(name, stream, skip=False)


@app.command()
def skip(name: PolicyName, stream: Stream) -> None:
    """Release a stream from quarantine without a reaction to the failed event."""
    _release(name, stream, skip=True)


def _release(name: str, stream: UUID, *, skip: bool) -> None:
    policy = _policy(name)
    require_release(_run(lambda core: _retry(core, policy, stream, skip=skip)))
    console.print(f"{name} has reacted to the whole stream.")


async def _retry(core: WriteSide, policy: Policy, stream: UUID, *, skip: bool) -> Poison | None:
    send = core.bus({"links": open_link_tokens(core.keys)}).send
    return await retry_policy(policy, policy_parts(core, send), stream, core.feed(), core.url, skip=skip)


def _policy(name: str) -> Policy:
    load_use_cases()
    if name not in POLICIES:
        raise failure(f"There is no policy '{name}'. Choose from: {', '.join(POLICIES)}.")
    return POLICIES[name]


def _run(work: Callable[[WriteSide], Coroutine[Any, Any, T]]) -> T:
    try:
        return run_as("worker", POLICY_CHECKPOINTS, work)
    except BatchPostponed as error:
        raise failure(f"Its commands cannot be carried out now ({error}). Nothing was released; try again.") from None
