"""Headers of answers, as somebody looks at them who wants to find out what exists."""

import httpx2

OF_EACH_REQUEST = {"date", "x-request-id", "consistency-token"}


def telling(answer: httpx2.Response) -> tuple[tuple[str, str], ...]:
    """The headers that could tell something. What is left of limits is the caller's own affair."""
    return tuple(
        (name, value)
        for name, value in answer.headers.items()
        if name not in OF_EACH_REQUEST and "ratelimit" not in name
    )
