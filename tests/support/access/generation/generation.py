"""Access to generations."""

from domain.generation.comparison import COMPARISON
from domain.generation.generation import GENERATION
from tests.support.access.kernel import CASES, MAKERS, Case, People
from tests.support.api import Account

WISH = {"prompt": "Describe the river."}
SIDES = {"left": WISH, "right": WISH}


def make(people: People, owner: Account) -> str:
    """A generation that the asker has requested. It waits."""
    asker = people.by_role["asker"]
    path = asker.write("POST", f"{asker.document()}/generate", 202, json=WISH).headers["Location"]
    owner.client.headers["Consistency-Token"] = asker.client.headers["Consistency-Token"]
    return str(path).rpartition("/")[2]


def make_comparison(people: People, owner: Account) -> str:
    """A comparison that the asker has requested. It waits."""
    asker = people.by_role["asker"]
    path = asker.write("POST", f"{asker.document()}/comparisons", 202, json=SIDES).headers["Location"]
    owner.client.headers["Consistency-Token"] = asker.client.headers["Consistency-Token"]
    return str(path).rpartition("/")[2]


MAKERS[GENERATION.name] = make
MAKERS[COMPARISON.name] = make_comparison
CASES += [
    Case("request_generation", lambda _: WISH),
    Case("compare_texts", lambda _: SIDES),
    Case("get_comparison"),
    Case("list_generated_passages"),
    Case("list_generations"),
    Case("get_generation"),
    Case("get_receipt"),
    Case("watch_generation", query={"wait": "0"}),
    Case("cancel_generation"),
    Case("retry_generation", states={"asker": 409}),
    Case("accept_draft", lambda _: {}, states={"asker": 409}),
    Case("discard_draft", states={"asker": 409}),
    Case("delete_generation", states={"asker": 409}),
]
