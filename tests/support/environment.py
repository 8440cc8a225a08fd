"""Settings of a test's own: nothing comes from the environment."""

import pytest

from infra.settings.model import variables


def unset_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset all settings."""
    for name in variables():
        monkeypatch.delenv(name, raising=False)
