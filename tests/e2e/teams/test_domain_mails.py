"""Domains that are proved by a mail, over HTTP. The mail itself is in the unit tests, so the tests take its token."""

from uuid import UUID

from tests.support.api import Api


def test_a_postmaster_without_an_account_proves_the_domain(api: Api) -> None:
    owner, bob, postmaster = api.account("pro"), api.account("pro"), api.client()
    founded = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": "by-mail"})
    path = founded.headers["Location"]
    domain_id = owner.write("POST", f"{path}/domains", 201, json={"name": "by-mail.example"}).json()["id"]
    bob.client.headers["Consistency-Token"] = owner.client.headers["Consistency-Token"]
    assert bob.client.post(f"{path}/domains/{domain_id}/mail").status_code == 404
    owner.write("POST", f"{path}/domains/{domain_id}/mail", 204)
    token = api.token_for_postmaster(UUID(founded.json()["id"]), UUID(domain_id))
    [domain] = owner.read(f"{path}/domains")
    assert (domain["state"], domain["proved_by"], domain["valid_until"]) == ("pending", None, None)
    for body, status, code in (
        ({"token": "x" * 64}, 403, "domain_link_not_valid"),
        ({"token": token}, 204, None),
        ({"token": token}, 403, "domain_link_not_valid"),
    ):
        answer = postmaster.post("/v1/auth/prove-domain", json=body)
        assert (answer.status_code, answer.json()["code"] if answer.content else None) == (status, code)
    owner.client.headers["Consistency-Token"] = str(api.run(_head(api)))
    [domain] = owner.read(f"{path}/domains")
    assert (domain["state"], domain["proved_by"]) == ("proved", "mail")
    assert domain["valid_until"] > domain["proved_at"]


async def _head(api: Api) -> int:
    """The end of the log."""
    return await api.deps.head()
