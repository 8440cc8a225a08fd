"""The base of errors in the installation, not in the code: the CLI prints them without a traceback."""


class SetupError(Exception):
    """A server, setting or file is missing or wrong. The message says what the user can do."""
