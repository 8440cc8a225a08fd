"""Access to keys of the provider. The sandbox refuses the keys of users, so they have none in any order of tests."""

from tests.support.access.kernel import CASES, OUTSIDERS, Case

REFUSED = {"key": "sk-refused-otters-hold-hands"}

CASES += [
    Case("save_own_provider_key", lambda _: REFUSED, states=dict.fromkeys(OUTSIDERS, 422)),
    Case("get_own_provider_key", states=dict.fromkeys(OUTSIDERS, 404)),
    Case("delete_own_provider_key"),
    Case("save_team_provider_key", lambda _: {"key": "sk-otters-hold-hands-while-asleep"}),
    Case("get_team_provider_key", states={"owner": 404, "admin": 404}),
    Case("delete_team_provider_key"),
]
