"""Recently viewed documents over HTTP: a read that succeeds is noted, and no other."""

from uuid import UUID

from application.content.document import DocumentView
from tests.support.given import NOW
from tests.support.http import HttpApi

ID = UUID(int=0xD0C)


async def test_http_notes_the_documents_that_a_caller_reads(api: HttpApi) -> None:
    user_id, headers = await api.account()
    missing = await api.client.get(f"/v1/documents/{ID}", headers=headers)
    assert (missing.status_code, api.recent.views) == (404, [])
    api.rows.row = DocumentView(ID, "user", user_id, "Notes", "", "draft", 1, NOW, NOW, None, None)
    read = await api.client.get(f"/v1/documents/{ID}", headers=headers)
    known = await api.client.get(f"/v1/documents/{ID}", headers=headers | {"If-None-Match": read.headers["etag"]})
    assert (read.status_code, known.status_code) == (200, 304)
    assert api.recent.views == [(user_id, ID)] * 2


async def test_http_forgets_the_documents_that_a_caller_has_viewed(api: HttpApi) -> None:
    user_id, headers = await api.account()
    api.recent.note(user_id, ID)
    assert (await api.client.delete("/v1/recent-documents", headers=headers)).status_code == 204
    assert api.recent.views == []
