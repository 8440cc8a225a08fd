"""Names of devices, from user agents."""

import pytest

from adapters.devices import device_name

SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{SAFARI} Mobile/15E148 Safari/604.1", "Mobile Safari on iOS"),
        (CHROME.format(131), "Chrome on Windows"),
        ("curl/8.1", "curl"),
        ("", "An unknown program"),
        ("\x00\xff" * 600, "An unknown program"),
    ],
)
def test_a_device_is_named_by_its_browser_and_system(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


def test_a_newer_version_is_the_same_device() -> None:
    assert device_name(CHROME.format(131)) == device_name(CHROME.format(132))


def test_a_name_is_short_whatever_the_user_agent_says() -> None:
    assert len(device_name(f"{'x' * 5_000}bot/1.0")) <= 100
