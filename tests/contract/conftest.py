"""What checks of contracts share."""

import pytest

from tests.support.asyncapi import Parser, open_parser


@pytest.fixture(scope="session")
def parser() -> Parser:
    """The official parser of AsyncAPI."""
    return open_parser()
