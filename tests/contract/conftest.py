"""Fixtures of the contract tests."""

import pytest

from tests.support.asyncapi import Parser, open_parser


@pytest.fixture(scope="session")
def parser() -> Parser:
    """The official AsyncAPI parser."""
    return open_parser()
