"""A new field of documents takes six lines in four files: from the body to the row, the answer and OpenAPI."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

PROJECT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "infra", "tests")

FIELD = {
    "domain/content/document.py": [
        ("        owner_id: UUID\n", '        language: str = "und"\n'),  # of the event
        ("    trashed_at: datetime | None\n", "    language: str\n"),  # of the aggregate
    ],
    "application/content/document.py": [
        ("    trashed_at: datetime | None\n", '    language: str = "und"\n'),  # of the view
        ('    content: str = ""\n', '    language: str = "und"\n'),  # of the command
    ],
    "projections/content/document.py": [
        ('            "content": "text NOT NULL",\n', '            "language": "text NOT NULL",\n'),  # of the table
    ],
    "adapters/http/content/document.py": [
        ('    content: Content = ""\n', '    language: str = "und"\n'),  # of the body
    ],
}
"""By file: the line to insert after, and the line."""

ASK = """
import asyncio, json
from adapters.http.api.app import create_app
from application.ports import RecordedEvent
from domain.content.document import Document
from projections.content.document import BY_ID, DocumentDetails
from tests.support.http import open_http_api, openapi_schema

async def main():
    async with open_http_api() as api:
        _, headers = await api.account()
        answer = await api.client.post("/v1/documents", json={"title": "T", "language": "cy"}, headers=headers)
        event = next(event for event in api.store.log if isinstance(event, Document.Created))
        record = RecordedEvent(1, event.originator_id, 1, event.TOPIC, event.timestamp, None, event)
        (row,) = DocumentDetails().changes(record)
        schemas = openapi_schema()["components"]["schemas"]
        print(json.dumps({
            "answer": answer.json()["language"],
            "row": row.values["language"],
            "selected": "language" in BY_ID,
            "described": ["language" in schemas[name]["properties"] for name in ("NewDocument", "DocumentView")],
        }))

asyncio.run(main())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, lines in FIELD.items():
        text = (tmp_path / name).read_text()
        for anchor, line in lines:
            assert anchor in text, f"{name} has no line {anchor!r}"
            text = text.replace(anchor, anchor + line, 1)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_new_field_takes_six_lines_in_four_files(copy: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", ASK], cwd=copy, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found == {"answer": "cy", "row": "cy", "selected": True, "described": [True, True]}
    assert sum(map(len, FIELD.values())) == 6
