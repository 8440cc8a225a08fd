"""Teams through the whole service."""

from tests.support.api import Api


def test_a_team_is_founded_and_read_by_its_members_alone(api: Api) -> None:
    ada, bob = api.account(), api.account()
    founded = ada.write("POST", "/v1/teams", 201, json={"name": "River watch", "slug": "river-watch"})
    path = founded.headers["Location"]
    assert ada.read(path) == founded.json()
    assert [(each["user_id"], each["role"]) for each in ada.read(f"{path}/members")] == [(str(ada.id), "owner")]
    bob.client.headers["Consistency-Token"] = founded.headers["Consistency-Token"]
    bob.read(path, 404)
    bob.read(f"{path}/members", 404)


def test_a_slug_is_its_teams_alone(api: Api) -> None:
    ada, bob = api.account(), api.account()
    body = {"name": "Otters", "slug": "otters"}
    ada.write("POST", "/v1/teams", 201, json=body)
    answer = bob.client.post("/v1/teams", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "taken")


def test_ones_teams_are_listed_in_pages(api: Api) -> None:
    ada = api.account()
    slugs = [f"team-{number}" for number in range(3)]
    for slug in slugs:
        ada.write("POST", "/v1/teams", 201, json={"name": slug, "slug": slug})
    first = ada.read("/v1/teams?limit=2")
    second = ada.read(f"/v1/teams?limit=2&cursor={first['next']}")
    assert [team["slug"] for team in first["items"] + second["items"]] == slugs
    assert second["next"] is None
    assert api.account().read("/v1/teams") == {"items": [], "next": None}
