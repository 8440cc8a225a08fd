"""Characters outside the basic plane, which some providers cut in two."""


class Surrogates:
    """Joins the halves of characters that came in two pieces; a half alone becomes U+FFFD."""

    def __init__(self) -> None:
        self._half = ""

    def joined(self, text: str) -> str:
        """Return the text, without its last half of a character: that waits for the next piece."""
        text = self._half + text
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _whole(text.removesuffix(self._half) if self._half else text)

    def rest(self) -> str:
        """Return what is left at the end."""
        return _whole(self._half)


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
