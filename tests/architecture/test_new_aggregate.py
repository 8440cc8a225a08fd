"""A new aggregate is published as soon as its files exist: no list names it. Proved with one planted in a copy."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

PROJECT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "infra")

DOMAIN = '''"""Comments."""

from domain.kernel import FirstEvent, Root


class Comment(Root):
    """A comment on a document."""

    TOPIC = "comment"

    class Written(FirstEvent):
        TOPIC = "comment.written"
        likes: int

        def apply(self, aggregate: "Comment") -> None:
            aggregate.likes = self.likes

    likes: int
'''

CONTRACT = '''"""Integration events of comments."""

from typing import Annotated
from uuid import UUID

from adapters.integration_events.kernel import PublicEvent
from adapters.integration_events.mapping import From
from domain.content.comment import Comment


class CommentWritten(PublicEvent, of=Comment.Written):
    """Somebody wrote a comment."""

    NAME = "comment.written"
    comment_id: Annotated[UUID, From("originator_id")]
    likes: int
'''

ASK = """
import json
from uuid import UUID
from datetime import UTC, datetime
from infra.kafka.client.topics import Topics
from adapters.integration_events.asyncapi import LOCAL, describe
from adapters.integration_events.cloudevents import CloudEvents
from application.ports import RecordedEvent

contract = CloudEvents()
from domain.content.comment import Comment

now = datetime(2026, 11, 22, tzinfo=UTC)
event = Comment.Written(originator_id=UUID(int=1), originator_version=1, timestamp=now, likes=2)
record = contract.public_record(RecordedEvent(1, UUID(int=1), 1, "comment.written", now, None, event), UUID(int=2))
topics = Topics("acme")
print(json.dumps({
    "topics": [*topics.events(), *topics.states()],
    "record": [topics.public(record.aggregate), json.loads(record.value)],
    "described": [*describe(LOCAL)["components"]["messages"]],
}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def ask(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=False)


def test_two_new_files_publish_a_new_aggregate(copy: Path) -> None:
    (copy / "domain/content/comment.py").write_text(DOMAIN)
    (copy / "adapters/integration_events/content/comment.py").write_text(CONTRACT)
    ran = ask(copy)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert {"acme.comment.v1", "acme.comment.state.v1"} <= {*said["topics"]}
    topic, value = said["record"]
    assert topic in said["topics"]
    assert (value["comment_id"], value["likes"]) == ("00000000-0000-0000-0000-000000000001", 2)
    assert "palimpsest.comment.written.v1" in said["described"]


def test_a_field_that_does_not_exist_stops_every_process_at_its_start(copy: Path) -> None:
    (copy / "domain/content/comment.py").write_text(DOMAIN.replace("likes", "stars"))
    (copy / "adapters/integration_events/content/comment.py").write_text(CONTRACT)
    ran = ask(copy)
    assert ran.returncode == 1
    assert "CommentWritten.likes has no source: Comment.Written has no field 'likes'" in ran.stderr
