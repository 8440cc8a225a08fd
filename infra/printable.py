"""Texts in a form that a terminal shows but does not obey."""


def printable(text: str) -> str:
    """Return the text as one line: control characters and others that are not printable are escaped as in JSON."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def printable_lines(text: str) -> str:
    """Return the text with its lines, each of them printable."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
