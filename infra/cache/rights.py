"""What the login of the cache may do in Redis: compared with what the cache needs, without changing anything."""

from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

OWN_KEY, OTHER_KEY = "palimpsest:doctor", "doctor"

NEEDED = """
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('EXISTS', KEYS[1])
redis.call('GETRANGE', KEYS[1], 0, 0)
redis.call('DEL', KEYS[1])
redis.call('TIME')
"""
"""The commands of the cache's scripts."""

TOO_MUCH: Mapping[str, str] = {
    f"EXISTS {OTHER_KEY}": "read keys that are not ours",
    "CONFIG GET maxmemory": "administer the server",
}
"""Harmless commands that stand for rights which the cache does not need."""


def server_of(client: "Redis") -> tuple[str, str]:
    """The name (`redis` or `valkey`) and version of the server. HELLO is free to every login."""
    answer = _execute(client, "HELLO")
    fields = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    return fields[b"server"].decode(), fields[b"version"].decode()


def lacking(client: "Redis") -> str:
    """The refusal of a command that the cache needs; empty if it may do all of them."""
    try:
        client.mget([OWN_KEY])
        client.get(OWN_KEY)
        client.scan(0, match=OWN_KEY, count=1)
        client.register_script(NEEDED)([OWN_KEY])
    except ResponseError as error:
        return str(error)
    return ""


def surplus(client: "Redis") -> Iterator[str]:
    """What the login may do beyond the needs of the cache."""
    for command, meaning in TOO_MUCH.items():
        try:
            _execute(client, command)
        except ResponseError:  # refused, or switched off
            continue
        yield meaning


def _execute(client: "Redis", command: str) -> Any:
    execute: Any = client.execute_command
    return execute(*command.split())
