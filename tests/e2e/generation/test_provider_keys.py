"""Keys of payers on real servers: who sees what, and where the key is."""

from tests.support.api import Api

KEY = "sk-otters-hold-hands-e2e-4711"


def test_a_user_saves_a_key_sees_its_end_and_deletes_it(api: Api) -> None:
    owner, other = api.account(), api.account()
    path = "/v1/users/me/provider-key"
    owner.read(path, 404)
    saved = owner.write("PUT", path, json={"key": KEY})
    assert KEY not in saved.text
    assert saved.json()["last_characters"] == "4711"
    assert owner.read(path) == saved.json()
    other.read(path, 404)
    owner.write("DELETE", path, 204)
    owner.read(path, 404)


def test_a_repeated_request_gets_the_same_answer(api: Api) -> None:
    owner = api.account()
    request = {"json": {"key": KEY}, "headers": {"Idempotency-Key": "save"}}
    first = owner.write("PUT", "/v1/users/me/provider-key", **request)  # type: ignore[arg-type]
    again = owner.write("PUT", "/v1/users/me/provider-key", **request)  # type: ignore[arg-type]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()


def test_a_key_that_the_provider_refuses_is_refused_in_words_that_do_not_repeat_it(api: Api) -> None:
    owner = api.account()
    answer = owner.client.put("/v1/users/me/provider-key", json={"key": "sk-refused-otters-4711"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable_provider_key")
    assert "copy it again" in answer.json()["detail"]
    short = owner.client.put("/v1/users/me/provider-key", json={"key": "sk-short-4711"})
    assert short.status_code == 422
    assert "4711" not in answer.text + short.text
    owner.read("/v1/users/me/provider-key", 404)


def test_a_key_of_a_team_is_for_its_admins_and_pays_for_its_documents(api: Api) -> None:
    owner, stranger = api.account("pro"), api.account()
    team = owner.write("POST", "/v1/teams", 201, json={"name": "Lab", "slug": "lab-of-keys"}).headers["Location"]
    owner.write("PUT", f"{team}/provider-key", json={"key": KEY})
    assert owner.read(f"{team}/provider-key")["last_characters"] == "4711"
    stranger.read(f"{team}/provider-key", 404)
    document = owner.write(
        "POST", "/v1/documents", 201, json={"title": "Notes", "content": "", "team_id": team.rpartition("/")[2]}
    ).headers["Location"]
    asked = owner.write("POST", f"{document}/generate", 202, json={"prompt": "Describe the river."}).json()
    assert (asked["own_key"], asked["estimated_micros"]) == (True, 0)
    own = owner.write("POST", f"{owner.document()}/generate", 202, json={"prompt": "Describe the river."}).json()
    assert (own["own_key"], own["estimated_micros"] > 0) == (False, True)
