"""M8: servers are judged by their version; the floor of a branch is the version that mends what is known."""

import pytest

from infra.cli.server_versions import FLOORS, Floors, ServerVersion, parsed, upgrade

FLOOR = Floors(2, ((6, 2, 23), (7, 2, 15), (8, 8, 1)), "reason")


@pytest.mark.parametrize(
    ("version", "floor"),
    [
        ((6, 2, 14), (6, 2, 23)),
        ((6, 2, 23), None),
        ((6, 2, 24), None),
        ((5, 0, 1), (6, 2, 23)),
        ((7, 0, 15), (7, 2, 15)),
        ((7, 2, 14), (7, 2, 15)),
        ((7, 4, 1), (8, 8, 1)),
        ((8, 8, 1), None),
        ((8, 10, 0), None),
        ((9, 0, 0), None),
    ],
)
def test_a_version_must_reach_the_floor_of_its_branch_or_else_of_the_next_one(
    version: ServerVersion, floor: ServerVersion | None
) -> None:
    assert FLOOR.above(version) == floor


def test_the_advice_names_the_version_and_the_reason() -> None:
    assert upgrade("PostgreSQL", (18, 6)) == ""
    assert upgrade("PostgreSQL", (18, 4)).startswith("Upgrade to 18.6 or later: ")
    assert upgrade("Another", (1, 0)) == ""
    assert "CVE-2026-12087" in upgrade("Redis", (6, 2, 14))
    assert upgrade("Kafka", (3, 8)).startswith("Upgrade to 3.9 or later")


def test_the_floors_are_in_order_and_each_has_a_branch_of_its_own() -> None:
    for floors in FLOORS.values():
        branches = [version[: floors.branch] for version in floors.versions]
        assert branches == sorted(set(branches))


@pytest.mark.parametrize(("text", "version"), [("9.1.2", (9, 1, 2)), ("7.2.4-rc1", (7, 2, 4)), ("8.0", (8, 0))])
def test_a_version_is_read_from_what_the_server_says(text: str, version: ServerVersion) -> None:
    assert parsed(text) == version
