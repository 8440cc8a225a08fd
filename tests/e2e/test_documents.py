"""Documents through the whole service: HTTP in, events, read models, HTTP out."""

from tests.support.api import Api


def test_what_was_written_is_read(api: Api) -> None:
    ada = api.account()
    made = ada.client.post("/v1/documents", json={"title": "Notes", "content": "Otters."})
    assert made.status_code == 201, made.text
    token = {"Consistency-Token": made.headers["Consistency-Token"]}
    read = ada.client.get(made.headers["Location"], headers=token)
    assert (read.status_code, read.json()) == (200, made.json())
