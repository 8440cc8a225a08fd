"""The audit tree over HTTP: in the formats of C2SP, without a token, cached as far as it never changes."""

import pytest

from tests.support import merkle_model
from tests.support.http import SEALED_ENTRIES, HttpApi, open_http_api
from tests.support.memory_sealed_log import MemorySealedLog
from tests.support.sealing import SIGNER


async def test_the_checkpoint_is_a_text_that_caches_ask_for_again(api: HttpApi) -> None:
    answer = await api.client.get("/v1/log/checkpoint")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, no-cache"
    assert SIGNER.key.open(answer.text).root == merkle_model.root(SEALED_ENTRIES)
    again = await api.client.get("/v1/log/checkpoint", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["0/000", "0/001.p/44", "1/000.p/1"])
async def test_a_tile_is_kept_for_ever(api: HttpApi, path: str) -> None:
    answer = await api.client.get(f"/v1/log/tile/{path}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content == await MemorySealedLog(SIGNER, SEALED_ENTRIES).tile(path)
    again = await api.client.get(f"/v1/log/tile/{path}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["0/001", "0/001.p/45", "0/1", "entries/000", "", "0/x001/000", "0/000/", f"0/{'x001/' * 40}000"]
)
async def test_there_is_no_other_tile(api: HttpApi, path: str) -> None:
    answer = await api.client.get(f"/v1/log/tile/{path}")
    assert answer.status_code in (404, 422)
    assert answer.status_code == 422 or answer.json()["code"] == "no_such_tile"


async def test_proofs(api: HttpApi) -> None:
    proof = await api.client.get("/v1/log/proof/300")
    assert proof.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert proof.text.startswith("c2sp.org/tlog-proof@v1\nindex 299\n")
    continued = await api.client.get("/v1/log/consistency/7/300")
    assert continued.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    found = continued.json()
    assert (found["old"], found["new"], len(found["hashes"])) == (7, 300, 10)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("proof/301", 404, "not_sealed_yet"),
        ("proof/0", 422, "not_valid"),
        ("consistency/7/301", 404, "not_sealed_yet"),
        ("consistency/8/7", 422, "not_continued"),
        ("consistency/0/7", 422, "not_valid"),
    ],
)
async def test_what_cannot_be_proved_is_refused(api: HttpApi, path: str, status: int, code: str) -> None:
    answer = await api.client.get(f"/v1/log/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_empty_log_has_no_checkpoint() -> None:
    async with open_http_api(log=MemorySealedLog(SIGNER, [])) as api:
        answer = await api.client.get("/v1/log/checkpoint")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_sealed_yet")


async def test_reads_of_the_tree_have_a_limit_of_their_own(api: HttpApi) -> None:
    answer = await api.client.get("/v1/log/tile/0/000")
    assert answer.headers["RateLimit-Policy"].startswith('"log";')
