"""Batches by OpenAI's API, of OpenAI or of any server that speaks it. Its import takes a second.

The name of a batch is in its metadata and in the name of its file: it says whose it is, and its id.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
from openai import APIStatusError, AsyncOpenAI
from openai.types import Batch as BatchObject

from adapters.provider.batch_lines import ENDPOINTS, decode_results, encode_prompts
from adapters.provider.catalogue import Catalogue
from adapters.provider.client import ProviderAccount, open_client
from adapters.provider.failures import FAILURES, FilterRefusal, meaning_of
from application.ports import BatchResult, BatchStage, Clock, Prompt, PromptRefused, ProviderBatch

KEPT_SECONDS = 3 * 24 * 3600
"""After this time the provider deletes a file, if we cannot."""
STAGES: Mapping[str, BatchStage] = {
    "validating": "running",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "cancelling",
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
PAGE = 100
"""Batches, or files, of one answer."""
METADATA = "palimpsest"
SUFFIX = ".jsonl"
CONNECT_SECONDS = 5.0
SECONDS = 60.0
"""Of a request, but for those with files."""
FILE_SECONDS = 300.0
"""To send the file of prompts, or to read one of results."""
GONE, ENDED = 404, 409


class OpenAIBatches:
    """Implements `application.ports.BatchProvider`.

    `owner`: a short name of this installation: others may use the same key. `transport`: how requests travel; None:
    through the network.
    """

    def __init__(
        self,
        account: ProviderAccount,
        catalogue: Catalogue,
        clock: Clock,
        owner: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._prefix = f"palimpsest-{owner}-"
        self._name = re.compile(re.escape(self._prefix) + r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
        self._is_sandbox = account.is_sandbox
        self._client = open_client(account, CONNECT_SECONDS, transport)

    async def upload(self, id: UUID, prompts: Sequence[Prompt], key: str | None) -> str:
        """See `BatchProvider.upload`."""
        content = await asyncio.to_thread(encode_prompts, self._catalogue.entry(prompts[0].model), prompts)
        async with self._asking(key, FILE_SECONDS) as client:
            file = await client.files.create(
                file=(f"{self._prefix}{id}{SUFFIX}", content),
                purpose="batch",
                expires_after={"anchor": "created_at", "seconds": KEPT_SECONDS},
            )
        return file.id

    async def begin(self, id: UUID, model: str, file: str, key: str | None) -> None:
        """See `BatchProvider.begin`."""
        endpoint: Any = ENDPOINTS[self._catalogue.entry(model).api]
        async with self._asking(key, SECONDS) as client:
            await client.batches.create(
                completion_window="24h",
                endpoint=endpoint,
                input_file_id=file,
                metadata={METADATA: f"{self._prefix}{id}"},
                output_expires_after={"anchor": "created_at", "seconds": KEPT_SECONDS},
            )

    async def since(self, moment: datetime, key: str | None) -> list[ProviderBatch]:
        """See `BatchProvider.since`."""
        async with self._asking(key, SECONDS) as client:
            # Files come last: those of a batch that is in the list are there, unless it was cleared.
            begun = await self._begun(client, moment)
            files = await self._files(client, moment)
        names = {file for _, file, _ in files}
        left = [ProviderBatch(id, None, "uploaded", at, (), (file,)) for id, file, at in files if id not in begun]
        return [*[_batch(id, found, names) for id, found in begun.items()], *left]

    async def results(self, batch: ProviderBatch, key: str | None) -> Mapping[str, BatchResult]:
        """See `BatchProvider.results`."""
        contents = []
        async with self._asking(key, FILE_SECONDS) as client:
            for file in batch.result_files:
                with _passing_over(GONE):
                    contents.append((await client.files.content(file)).content)
        return await asyncio.to_thread(decode_results, contents, is_sandbox=self._is_sandbox)

    async def cancel(self, batch: ProviderBatch, key: str | None) -> None:
        """See `BatchProvider.cancel`. One that has ended meanwhile stays as it is."""
        async with self._asking(key, SECONDS) as client:
            with _passing_over(ENDED):
                await client.batches.cancel(str(batch.name))

    async def clear(self, batch: ProviderBatch, key: str | None) -> None:
        """See `BatchProvider.clear`."""
        async with self._asking(key, SECONDS) as client:
            for file in batch.files:
                with _passing_over(GONE):
                    await client.files.delete(file)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _files(self, client: AsyncOpenAI, moment: datetime) -> list[tuple[UUID, str, datetime]]:
        """Return our files of prompts: the id of the batch, the name of the file, and when it came."""
        found = []
        async for file in client.files.list(purpose="batch", order="desc", limit=PAGE):
            at = _moment(file.created_at)
            if at < moment:
                break
            if (name := self._name.fullmatch(file.filename.removesuffix(SUFFIX))) is not None:
                found.append((UUID(name[1]), file.id, at))
        return found

    async def _begun(self, client: AsyncOpenAI, moment: datetime) -> dict[UUID, BatchObject]:
        """Return our batches, by their ids."""
        found = {}
        async for batch in client.batches.list(limit=PAGE):
            if _moment(batch.created_at) < moment:
                break
            if (name := self._name.fullmatch((batch.metadata or {}).get(METADATA, ""))) is not None:
                found[UUID(name[1])] = batch
        return found

    @asynccontextmanager
    async def _asking(self, key: str | None, seconds: float) -> AsyncIterator[AsyncOpenAI]:
        """Give a client with the key that pays, for so many seconds.

        Raises:
            PromptRefused, Unavailable: what a failure means.
        """
        client = self._client if key is None else self._client.with_options(api_key=key)
        try:
            async with asyncio.timeout(seconds):
                yield client
        except FAILURES as error:
            meaning = meaning_of(error, self._clock)
            raise PromptRefused("filtered") if isinstance(meaning, FilterRefusal) else meaning from None


@contextmanager
def _passing_over(status: int) -> Iterator[None]:
    """Go on if the provider answers so."""
    try:
        yield
    except APIStatusError as error:
        if error.status_code != status:
            raise


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _batch(id: UUID, found: BatchObject, files: set[str]) -> ProviderBatch:
    """Return a batch. `files`: of prompts, as far as they are there: that of a batch is the last one to be deleted."""
    is_there = found.input_file_id in files
    results = tuple(file for file in (found.output_file_id, found.error_file_id) if file is not None and is_there)
    left = (*results, found.input_file_id) if is_there else ()
    return ProviderBatch(id, found.id, STAGES.get(found.status, "running"), _moment(found.created_at), results, left)
