"""Routers are found wherever they are; nothing lists them."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.http.api.routers import Router, Tag, find_routers, tags_of

PLANT = '''"""A feature that did not exist before."""

from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag

router = Router("/v1/plants", tag=Tag("plants", "What grows."))


@router.get("")
async def list_plants() -> Answer:
    """List plants."""
    return Answer()
'''


def test_all_routers_are_found_in_the_order_of_their_modules() -> None:
    prefixes = [router.prefix for router in find_routers()]
    assert prefixes.index("/v1/subscription") < prefixes.index("/v1/documents") < prefixes.index("/v1/teams")
    assert len(prefixes) == len({id(router) for router in find_routers()})


@pytest.mark.programs
def test_a_router_in_a_new_folder_of_any_depth_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "planted" / "garden" / "beds"
    folder.mkdir(parents=True)
    (folder / "plant.py").write_text(PLANT)
    program = "from adapters.http.api.routers import *; print([(r.prefix, r.tag) for r in find_routers('planted')])"
    project = str(Path(__file__).parents[3])
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": f"{tmp_path}:{project}"}, capture_output=True, check=True
    )
    assert found.stdout.decode() == "[('/v1/plants', Tag(name='plants', description='What grows.'))]\n"


def test_tags_come_from_the_routers_in_the_order_of_their_names() -> None:
    routers = [
        Router("/b", tag=Tag("b", "Bees.")),
        Router("/c", tag="b"),
        Router("/a", tag=Tag("a", "Ants.")),
        Router(),
    ]
    assert tags_of(routers) == [{"name": "a", "description": "Ants."}, {"name": "b", "description": "Bees."}]


@pytest.mark.parametrize("tags", [["a"], [Tag("a", "Ants."), Tag("a", "Apes.")]], ids=["undescribed", "twice"])
def test_a_tag_has_one_description(tags: list[Tag | str]) -> None:
    with pytest.raises(ValueError, match="The tag 'a' needs one router"):
        tags_of(Router(tag=tag) for tag in tags)
