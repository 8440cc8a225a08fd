"""The official AsyncAPI parser, a Node program."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from tests.support.node import installed

Parser = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a document. Returns whether it is `valid`, the faults `found` and the names of its `messages`."""


def open_parser() -> Parser:
    """Install the parser if needed, and return it."""
    node, home = installed("asyncapi")

    def parse(document: dict[str, Any]) -> dict[str, Any]:
        ran = subprocess.run(
            [node, "check.js"], cwd=home, input=json.dumps(document), capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        result: dict[str, Any] = json.loads(ran.stdout)
        return result

    return parse
