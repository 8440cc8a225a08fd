"""Options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

LogKey = Annotated[
    str | None, typer.Option("--key", help="Key of the log, as `audit key` prints it; default: of our key document.")
]

TrustedWitness = Annotated[
    list[str] | None, typer.Option("--witness", help="Key of a witness that you trust; repeat it for others.")
]

Quorum = Annotated[
    int | None,
    typer.Option(help="How many of these witnesses must have cosigned the checkpoint; default: all of them.", min=0),
]

Unseal = Annotated[bool, typer.Option("--unseal", help="Also show personal fields; needs --by.")]

ReaderAddress = Annotated[
    str | None,
    typer.Option(
        help="Email address of your account, an auditor's: the read is recorded, and those whom it is about see it."
    ),
]
