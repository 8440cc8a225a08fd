"""The list of erasures: files with the id and time of each one, kept apart from the database.

A restored backup brings back data keys that were destroyed since. Then each erasure on the list is carried out again
(`decisions/0003-erasures-after-a-restore.md`). The list holds kinds, ids and times: nothing personal.
"""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

import msgspec

from application.commands import Command, handles
from application.jobs import Job, performs
from application.mail_jobs import UNTIL_DEADLINE
from application.ports import Clock, Files, Holdings, JobQueue, SendAsSystem, Store
from application.privacy.completion import complete
from application.privacy.erasing import Erasure, ErasureStep
from application.privacy.erasure import EraseAddress, EraseTeam, EraseUser
from domain.kernel import NotFound

FOLDER = "erasures"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

WITH_OTHERS = {"user": EraseUser, "team": EraseTeam, "address": EraseAddress}
"""What changes streams of others, too: memberships, shares, plans. The rest of it takes read models."""


class ListedErasure(NamedTuple):
    """An entry of the list. `stream_kind`: the topic of the aggregate, such as `user`."""

    stream_kind: str
    stream_id: UUID
    erased_at: datetime

    @property
    def key(self) -> str:
        """The name of its file."""
        return f"{FOLDER}/{self.stream_kind}/{self.stream_id}/{(self.erased_at - _EPOCH) // _MICROSECOND}"

    @classmethod
    def parse(cls, key: str) -> "ListedErasure":
        """Decode the name of a file. Raises `ValueError`: it names no erasure."""
        _, kind, id, microseconds = key.split("/")
        return cls(kind, UUID(id), _EPOCH + int(microseconds) * _MICROSECOND)


class ListErasure(Job, frozen=True, kw_only=True):
    """Put an erasure on the list."""

    kind: ClassVar[str] = "list_erasure"
    retries = UNTIL_DEADLINE
    deadline: ClassVar[timedelta] = timedelta(days=30)

    stream_kind: str
    stream_id: UUID
    erased_at: datetime

    @property
    def effect_key(self) -> str:
        """The name of the file: a repeat replaces it by the same one."""
        return ListedErasure(self.stream_kind, self.stream_id, self.erased_at).key


class FinishErasure(Job, frozen=True, kw_only=True):
    """Carry out the rest of an erasure that was repeated: what it changes of others.

    It fails, and is tried again, while a legal hold on something else keeps it from that, such as one on a team.
    """

    kind: ClassVar[str] = "finish_erasure"
    queue: ClassVar[str] = "accounts"
    retries = UNTIL_DEADLINE
    deadline: ClassVar[timedelta] = timedelta(days=30)
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)

    stream_kind: str
    stream_id: UUID

    @property
    def effect_key(self) -> str:
        """The stream. A second erasure finds nothing to change."""
        return f"{self.stream_kind}.{self.stream_id.hex}"


class RepeatErasure(Command[ErasureStep]):
    """Erase a stream again that a restored backup has brought back. One that is not there changes nothing.

    No legal hold stops it: none did when it was erased first.
    """

    stream_kind: str
    stream_id: UUID


@performs
async def list_erasure(job: ListErasure, files: Files) -> None:
    entry = ListedErasure(job.stream_kind, job.stream_id, job.erased_at)
    content = {"kind": entry.stream_kind, "id": entry.stream_id, "erased_at": entry.erased_at}
    await files.put(entry.key, msgspec.json.encode(content), content_type="application/json")


@handles
async def repeat_erasure(
    cmd: RepeatErasure, store: Store, holdings: Holdings, queue: JobQueue, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    try:
        await erasure.repeat(cmd.stream_kind, cmd.stream_id)
    except NotFound:
        return ErasureStep(0, complete=True, unread=[])
    if cmd.stream_kind in WITH_OTHERS:
        await queue.enqueue(FinishErasure(stream_kind=cmd.stream_kind, stream_id=cmd.stream_id))
    return erasure.stage()


@performs
async def finish_erasure(job: FinishErasure, send: SendAsSystem) -> None:
    await complete(WITH_OTHERS[job.stream_kind](id=job.stream_id, repeated=True), f"finish:{job.effect_key}", send)
