"""The base of errors in the environment, not in the code: the CLI prints them without a traceback."""


class SetupError(Exception):
    """Something that a process needs is missing or wrong; the message is for the user and says what to do."""
