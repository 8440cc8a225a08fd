"""The end of an operation, as its responses say it: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from adapters.http.api.responses import HttpHeader


@dataclass(frozen=True, slots=True)
class Deprecation:
    """From `since` on (UTC) an operation is not to be used, at `sunset` it ends. `guide`: a page that says what to use.

    Raises:
        ValueError: it would end before.
    """

    since: datetime
    sunset: datetime
    guide: str

    def __post_init__(self) -> None:
        if self.sunset < self.since:
            raise ValueError("An operation ends after it is deprecated, not before (RFC 9745, 4).")

    @property
    def headers(self) -> tuple[HttpHeader, ...]:
        """The headers of all responses of the operation."""
        return (
            (b"deprecation", b"@%d" % int(self.since.timestamp())),
            (b"sunset", format_datetime(self.sunset, usegmt=True).encode()),
            (b"link", f'<{self.guide}>; rel="deprecation"; type="text/html"'.encode()),
        )
