"""Libraries whose private parts we use are pinned exactly, and few files know them."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import production

PROJECT = Path(__file__).parents[2]
PINNED = ("eventsourcing", "fastapi", "kafka-python", "procrastinate", "uvicorn")
KAFKA = PROJECT / "infra" / "kafka"
REACHES = {KAFKA / "client" / "batch_producer.py", KAFKA / "client" / "record_decoder.py"}
JOBS = PROJECT / "infra" / "jobs"
KNOW_PROCRASTINATE = {JOBS / "ends.py", JOBS / "manager.py", JOBS / "stalled.py", JOBS / "worker.py"}
PROCRASTINATE = re.compile(r"^\s*(?:from|import) procrastinate\b", re.MULTILINE)
PRIVATE = re.compile(r"\b(?!self\b|cls\b)\w+\._(?!_)\w+|import Fetcher\b")
"""A private attribute of another object."""


def unpinned(dependencies: list[str], lock: str) -> list[str]:
    """The libraries that are not pinned to the version in the lock file."""
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE))
    return [name for name in PINNED if f"{name}=={locked.get(name)}" not in dependencies]


def test_libraries_with_private_parts_in_use_are_pinned_to_the_locked_version() -> None:
    dependencies = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert unpinned(dependencies, (PROJECT / "requirements.lock").read_text()) == []


@pytest.mark.parametrize("requirement", ["kafka-python>=3.0.12", "kafka-python==3.0.11"])
def test_an_open_or_different_pin_is_noticed(requirement: str) -> None:
    lock = "eventsourcing==1 \\\nfastapi==1 \\\nkafka-python==3.0.12 \\\nprocrastinate==1 \\\nuvicorn==1 \\\n"
    others = ["eventsourcing==1", "fastapi==1", "procrastinate==1", "uvicorn==1"]
    assert unpinned([*others, requirement], lock) == ["kafka-python"]


def test_private_parts_of_kafka_python_are_used_in_two_files() -> None:
    users = {path for path in KAFKA.rglob("*.py") if PRIVATE.search(path.read_text())}
    assert users == REACHES


def test_a_use_of_a_private_part_is_noticed() -> None:
    assert PRIVATE.search("producer._sender.wakeup()")
    assert not PRIVATE.search("self._producer.send(batches)")


def test_four_files_import_procrastinate() -> None:
    users = {PROJECT / source.name for source in production() if PROCRASTINATE.search(source.text)}
    assert users == KNOW_PROCRASTINATE
