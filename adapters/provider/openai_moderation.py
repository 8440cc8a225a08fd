"""Moderation by OpenAI's API, of OpenAI or of any server that speaks it. The import takes a second."""

import asyncio
from collections.abc import Iterator, Sequence

import httpx2
import msgspec

from adapters.provider.client import ProviderAccount, open_client
from adapters.provider.failures import FAILURES, LATER_SECONDS, meaning_of, reason
from application.ports import Clock, Unavailable

MODEL = "omni-moderation-latest"
PIECE_LENGTH = 20_000
"""Characters that are judged as one text."""
MAX_PIECES = 16
"""Pieces of one request."""
CONNECT_SECONDS = 5.0
SECONDS = 10.0
"""The longest time of a request."""

CATEGORIES = frozenset(
    {
        *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
        *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
        *("violence", "violence/graphic"),
    }
)
"""Categories of the API."""
OTHER = "other"
"""Stands for categories that we do not know, as their names might contain anything."""


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None]

    def names(self) -> Iterator[str]:
        """Yield the categories for which the text is refused."""
        names = [name if name in CATEGORIES else OTHER for name, is_met in self.categories.items() if is_met]
        yield from names or ([OTHER] if self.flagged else [])


class _Response(msgspec.Struct):
    results: list[_Result]


class OpenAIModeration:
    """Implements `application.ports.Moderation`. `seconds`: the longest time of a request.

    Whatever goes wrong is `Unavailable`, also a wrong key: no text is at fault for it.
    """

    def __init__(
        self,
        account: ProviderAccount,
        clock: Clock,
        *,
        seconds: float = SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._client = open_client(account, min(CONNECT_SECONDS, seconds), transport)

    async def judge(self, text: str) -> tuple[str, ...]:
        """Judge a text. Raises as `application.ports.Moderation.judge`."""
        pieces = [text[start : start + PIECE_LENGTH] for start in range(0, len(text), PIECE_LENGTH)]
        found: set[str] = set()
        for start in range(0, len(pieces), MAX_PIECES):
            found.update(await self._ask(pieces[start : start + MAX_PIECES]))
        return tuple(sorted(found))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, pieces: Sequence[str]) -> list[str]:
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.moderations.with_raw_response.create(model=MODEL, input=[*pieces])
            results = msgspec.json.decode(response.content, type=_Response).results
            if len(results) != len(pieces):
                raise ValueError
        except (*FAILURES, msgspec.DecodeError) as error:
            meaning = meaning_of(error, self._clock)
            pause = meaning.retry_after if isinstance(meaning, Unavailable) else LATER_SECONDS
            raise Unavailable(f"Moderation ({reason(error)})", pause) from None
        return [name for result in results for name in result.names()]
