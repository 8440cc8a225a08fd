"""The transfer of documents through the whole service: what each of the two sees before and after it."""

from tests.support.api import Account, Api


def follow(reader: Account, writer: Account) -> None:
    """Let the reader see what the writer wrote."""
    reader.client.headers["Consistency-Token"] = writer.client.headers["Consistency-Token"]


def titles(account: Account, query: str = "") -> list[tuple[str, str]]:
    """The titles and roles in a list of documents."""
    return [(each["title"], each["role"]) for each in account.read(f"/v1/documents{query}")["items"]]


def test_an_offer_is_in_the_lists_of_both_until_it_is_answered(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    path = ada.document("Notes")
    assert ada.client.get(f"{path}/ownership-offer").status_code == 404
    ada.write("POST", f"{path}/ownership-offer", json={"email": bob.email})
    follow(bob, ada)
    offer = ada.read(f"{path}/ownership-offer")
    assert (offer["title"], offer["email"]) == ("Notes", bob.email)
    assert ada.read("/v1/ownership-offers/made")["items"] == [offer]
    [received] = bob.read("/v1/ownership-offers/received")["items"]
    assert (received["document_id"], received["owner_id"]) == (offer["document_id"], str(ada.id))
    assert bob.client.get(path).status_code == 404
    assert bob.read("/v1/ownership-offers/made")["items"] == ada.read("/v1/ownership-offers/received")["items"] == []
    bob.write("POST", f"{path}/ownership-offer/decline", 204)
    assert bob.read("/v1/ownership-offers/received")["items"] == []


def test_after_the_transfer_the_lists_the_folder_and_the_reasons_are_those_of_the_new_owner(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    path = ada.document("Notes")
    folder = ada.write("POST", "/v1/folders", 201, json={"name": "Novels"}).json()["id"]
    ada.write("PUT", f"{path}/folder", 204, json={"folder_id": folder})
    ada.write("PUT", f"{path}/tags", 204, json={"tags": ["novel"]})
    since = ada.read("/v1/document-changes")["next"]
    tag = ada.client.get(path).headers["ETag"]
    ada.write("POST", f"{path}/ownership-offer", json={"email": bob.email})
    bob.write("POST", f"{path}/ownership-offer/accept")
    follow(ada, bob)
    assert titles(ada, "?shared=false") == []
    assert titles(ada, "?shared=true") == [("Notes", "editor")]
    assert titles(ada, f"?folder={folder}") == []
    assert titles(bob, "?shared=false&tag=novel") == [("Notes", "owner")]
    assert bob.read(f"{path}/filing")["folder_id"] is None
    assert [each["version"] for each in bob.read(f"{path}/versions")["items"]] == [1]
    reasons = [(each["reason"], each["role"]) for each in bob.read(f"{path}/access")["items"]]
    assert reasons == [("owner", "owner"), ("share", "editor")]
    assert ada.read(f"{path}/access/me")["role"] == "editor"
    assert ada.client.get(path, headers={"If-None-Match": tag}).status_code == 200
    [change] = ada.read(f"/v1/document-changes?since={since}")["items"]
    assert change["document"]["owner_id"] == str(bob.id)
    ada.write("DELETE", f"{path}/shares/me", 204)
    [change] = ada.read(f"/v1/document-changes?since={since}")["items"]
    assert change["document"] is None


def test_after_the_answer_the_former_owner_may_not_do_at_once_what_an_owner_may(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    path = ada.document("Notes")
    ada.write("POST", f"{path}/ownership-offer", json={"email": bob.email})
    bob.write("POST", f"{path}/ownership-offer/accept")
    del ada.client.headers["Consistency-Token"]
    assert ada.client.get(f"{path}/shares").status_code == 403
    assert ada.client.delete(path).status_code == 403


def test_a_withdrawn_offer_cannot_be_accepted(api: Api) -> None:
    ada, bob = api.account("pro"), api.account("pro")
    path = ada.document("Notes")
    ada.write("POST", f"{path}/ownership-offer", json={"email": bob.email})
    ada.write("DELETE", f"{path}/ownership-offer")
    assert bob.client.post(f"{path}/ownership-offer/accept").status_code == 404
