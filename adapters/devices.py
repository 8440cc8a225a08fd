"""Names of devices, from user agents, by the rules of the project uap-core, which take linear time here."""

from functools import lru_cache

from ua_parser import parse

UNKNOWN = "An unknown program"
MAX_NAME = 40
"""The name of a program may be any word of the user agent, and mails show it."""
MAX_USER_AGENT = 512
"""What follows does not name the browser or the system."""


@lru_cache(1_000)
def device_name(user_agent: str) -> str:
    """Implement `application.ports.DeviceNames`. The first call takes half a second, to prepare the rules."""
    found = parse(user_agent[:MAX_USER_AGENT])
    browser = found.user_agent.family[:MAX_NAME] if found.user_agent else UNKNOWN
    return f"{browser} on {found.os.family[:MAX_NAME]}" if found.os else browser
