"""The error of wrong settings."""

from infra.errors import SetupError


class SettingsError(SetupError):
    """Some settings are wrong; the message has a line for each. It never contains a secret."""
