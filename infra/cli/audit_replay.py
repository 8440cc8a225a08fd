"""`palimpsest audit replay`: read models as of a position, in a schema of their own."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from application.ports import Unavailable
from domain.kernel import Refusal
from infra.cli.progress_bar import bar_or_lines
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.settings.load import load, load_for_migration

if TYPE_CHECKING:
    from infra.replay.comparison import TableDifference

LIVE = "read"
"""The schema of the read models that the projector keeps."""

READING = (
    "To compare with the read models themselves, replay with --unseal; a replay without compares with another one."
)

ReplayAddress = Annotated[
    str | None,
    typer.Option(
        help="Email address of your account, an auditor's: a replay with personal fields is recorded. It is about all "
        "people, so the log has it, and no history."
    ),
]


def replay(
    to: Annotated[int | None, typer.Option(help="Position of the last event; default: the end of the log.", min=1)] = (
        None
    ),
    schema: Annotated[str | None, typer.Option(help="Name of the new schema; default: replay_POSITION.")] = None,
    unseal: Annotated[
        bool,
        typer.Option("--unseal", help="With personal fields; needs --by. Erasures wait until the schema is dropped."),
    ] = False,
    by: ReplayAddress = None,
    code: Annotated[
        Path | None, typer.Option(help="Replay with the code of another checkout or wheel.", exists=True)
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the schemas of replays.")] = False,
    drop: Annotated[str | None, typer.Option(help="Drop the schema of a replay.", metavar="NAME")] = None,
    compare: Annotated[
        str | None, typer.Option(help="Compare the tables of a replay; exits with 1 if they differ.", metavar="NAME")
    ] = None,
    with_: Annotated[
        str, typer.Option("--with", help="The other replay; default: the read models as they are.", metavar="NAME")
    ] = LIVE,
) -> None:
    """Build all read models as they were at a position, in a new schema that SQL tools read. Nothing else is changed.

    Personal fields read as erased, and the database role of the auditor may read the tables. With --unseal only the
    role of the projector may, and the replay is recorded first.
    """
    if show:
        _list()
    elif drop is not None:
        _drop(drop)
    elif compare is not None:
        _compare(compare, with_)
    elif code is not None:
        _record(to, unseal, by)
        _replay_with(code, to, schema, by if unseal else None)
    else:
        _record(to, unseal, by)
        _replay(to, schema, unseal)


def _record(to: int | None, unseal: bool, by: str | None) -> None:
    """Record a replay with personal fields. It shows all people, and names none of them.

    Raises:
        SetupError: the database does not answer, or the account is no auditor's.
    """
    if not unseal:
        return

    async def run() -> None:
        from application.travel.subjects import Subjects
        from infra.cli.recorded_reads import operator_read

        async with operator_read(unseal, by) as log:
            await log.record("audit replay", Subjects(), filters={"to": to, "unsealed": unseal})

    try:
        asyncio.run(run())
    except Refusal as refusal:
        raise SetupError(refusal.detail) from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None


def _replay(to: int | None, schema: str | None, unseal: bool) -> None:
    from infra.bootstrap.replay import owner_session
    from infra.bootstrap.replay import replay as run
    from infra.cli.log_access import database_errors
    from infra.replay.schemas import PREFIX, part_of
    from infra.store.log_rows import HEAD

    with database_errors(), owner_session(load_for_migration()) as owner, bar_or_lines("events") as progress:
        [(head,)] = owner.execute(HEAD).fetchall()
        last = head if to is None else to
        done = run(load(part=part_of(unseal)), owner, schema or f"{PREFIX}{last}", last, unseal, progress)
    Terminal().print(
        f"{done.name} has the read models as of position {done.position}. Drop it when it has served: "
        f"palimpsest audit replay --drop {done.name}",
        style="green",
    )


def _replay_with(code: Path, to: int | None, schema: str | None, by: str | None) -> None:
    """Replay with other code, which records the read as well. `by`: None without personal fields."""
    from infra.replay.other_code import run_with

    options = [*([] if to is None else ["--to", str(to)]), *([] if schema is None else ["--schema", schema])]
    command = ["infra.cli.main", "audit", "replay", *options, *([] if by is None else ["--unseal", "--by", by])]
    if run_with(code, command):
        raise failure(
            f"The code of {code} has not replayed the log. Where it does not start, it is of another release."
        )


def _list() -> None:
    from rich.table import Column, Table

    from infra.bootstrap.replay import owner_session
    from infra.cli.log_access import database_errors
    from infra.replay.schemas import listed

    table = Table(Column("schema", no_wrap=True), "position", "personal fields", "code", "begun", "state")
    with database_errors(), owner_session(load_for_migration()) as owner:
        for each in listed(owner):
            fields, state = "unsealed" if each.unsealed else "erased", "ready" if each.finished_at else "unfinished"
            code = f"{each.code.release} {each.code.digest.hex()[:8]}"
            table.add_row(each.name, str(each.position), fields, code, f"{each.started_at:%F %T}", state)
    Terminal().print(table)


def _drop(name: str) -> None:
    from infra.bootstrap.replay import owner_session
    from infra.cli.log_access import database_errors
    from infra.replay import schemas

    with database_errors(), owner_session(load_for_migration()) as owner:
        schemas.describe(owner, name)
        schemas.drop(owner, name)
    typer.echo(f"{name} is dropped.")


def _compare(name: str, other: str) -> None:
    from infra.bootstrap.replay import owner_session
    from infra.bootstrap.write_side import part_url
    from infra.cli.log_access import database_errors
    from infra.postgres.connect import connect
    from infra.replay import schemas
    from infra.replay.comparison import compare

    with database_errors():
        with owner_session(load_for_migration()) as owner:
            one = schemas.describe(owner, name)
            unsealed = True if other == LIVE else schemas.describe(owner, other).unsealed
        if one.unsealed != unsealed:
            raise failure(f"One of them has personal fields, the other has not. {READING}")
        with connect(part_url(load(part=one.part), one.part)) as connection:
            found = list(compare(connection, name, other, one.position if other == LIVE else 2**63 - 1))
    for each in found:
        Terminal().print(_told(each, name, other))
    if any(each.differs for each in found):
        raise typer.Exit(1)


def _told(found: "TableDifference", one: str, other: str) -> str:
    """What a comparison says of a table."""
    parts = [
        f"only {found.missing} lacks it, or has another key" if found.missing else "",
        f"{found.changed} rows differ" if found.changed else "",
        f"{found.only_one} rows are only in {one}" if found.only_one else "",
        f"{found.only_other} rows are only in {other}" if found.only_other else "",
        f"not compared, as only one has them: {', '.join(found.columns)}" if found.columns else "",
    ]
    said = [*filter(None, parts), *([] if found.differs else ["no difference"])]
    if found.keys:
        said.append(f"first: {'; '.join(' '.join(map(str, key)) for key in found.keys)}")
    if found.later:
        said.append(f"{found.later} rows of {other} have changed after the position")
    return f"{found.name}: {'; '.join(said)}"
