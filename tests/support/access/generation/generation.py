"""Access to generations."""

from domain.generation.generation import GENERATION
from tests.support.access.kernel import CASES, MAKERS, Case, People
from tests.support.api import Account

WISH = {"prompt": "Describe the river."}


def make(people: People, owner: Account) -> str:
    """A generation that the asker has requested. It waits."""
    asker = people.by_role["asker"]
    path = asker.write("POST", f"{asker.document()}/generate", 202, json=WISH).headers["Location"]
    owner.client.headers["Consistency-Token"] = asker.client.headers["Consistency-Token"]
    return str(path).rpartition("/")[2]


MAKERS[GENERATION.name] = make
CASES += [
    Case("request_generation", lambda _: WISH),
    Case("list_generated_passages"),
    Case("list_generations"),
    Case("get_generation"),
    Case("watch_generation", query={"wait": "0"}),
    Case("cancel_generation"),
    Case("retry_generation", states={"asker": 409}),
    Case("accept_draft", lambda _: {}, states={"asker": 409}),
    Case("discard_draft", states={"asker": 409}),
    Case("delete_generation", states={"asker": 409}),
]
