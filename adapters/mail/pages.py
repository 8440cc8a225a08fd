"""Addresses of the pages that links in mails lead to."""

import re
from dataclasses import dataclass

_UNUSED = re.compile(r"[?#&/][\w.-]*=?$")


@dataclass(frozen=True, slots=True)
class LinkPages:
    """Pages of a front end, by a pattern with `{purpose}` and `{token}`.

    Purposes are verify, reset, forgot, email, undo, lockdown, withdraw, domain, invitation, offer, access, shared,
    joining, joined, requests, domains, usage, team_usage and failed.
    """

    pattern: str

    def url(self, purpose: str, token: str | None = None) -> str:
        """Return the address of a page. A page without a token loses the part of the pattern that would name it."""
        url = self.pattern.replace("{purpose}", purpose)
        if token is not None:
            return url.replace("{token}", str(token))
        return _UNUSED.sub("", url.partition("{token}")[0])
