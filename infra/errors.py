"""The base of errors that are about the surroundings, not about the code: the CLI shows them without a traceback."""


class SetupError(Exception):
    """Something that we need is missing or wrong; the message is for the user and says what to do."""
