"""Options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

LogKey = Annotated[
    str | None, typer.Option("--key", help="Key of the log, as `audit key` prints it; default: of our key document.")
]

Unseal = Annotated[bool, typer.Option("--unseal", help="Also show personal fields; needs --by.")]

ReaderAddress = Annotated[
    str | None,
    typer.Option(
        help="Email address of your account, an auditor's: the read is recorded, and those whom it is about see it."
    ),
]
