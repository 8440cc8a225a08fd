"""Options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Unseal = Annotated[bool, typer.Option("--unseal", help="Also show personal fields.")]
