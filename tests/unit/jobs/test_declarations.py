"""Kinds of jobs are refused when their code is imported, if their declaration lacks what every kind needs."""

from typing import ClassVar

import pytest

from application.jobs import PERFORMERS, Job, Performer, ScheduledJob, performs
from tests.support.jobs import Greet, register


class Nameless(Job, frozen=True, kw_only=True):
    @property
    def effect_key(self) -> str:
        return "nameless"


class Keyless(Job, frozen=True, kw_only=True):
    kind: ClassVar[str] = "keyless"


class KeylessChild(Keyless, frozen=True, kw_only=True):
    kind: ClassVar[str] = "keyless_child"
    number: int = 1


class SameName(Greet, frozen=True, kw_only=True):
    kind: ClassVar[str] = "greet"


class Often(ScheduledJob, frozen=True, kw_only=True):
    kind: ClassVar[str] = "often"


async def perform_nameless(job: Nameless) -> None: ...
async def perform_keyless(job: Keyless) -> None: ...
async def perform_keyless_child(job: KeylessChild) -> None: ...
async def perform_same_name(job: SameName) -> None: ...
async def perform_again(job: Greet) -> None: ...
async def perform_greet(job: Greet) -> None: ...
async def perform_often(job: Often) -> None: ...


@pytest.mark.parametrize(
    ("performer", "fault"),
    [
        (perform_nameless, "Nameless has no kind"),
        (perform_keyless, "Keyless declares no effect key"),
        (perform_keyless_child, "KeylessChild declares no effect key"),
        (perform_same_name, "greet has two performers"),
        (perform_again, "greet has two performers"),
    ],
    ids=["no name", "no effect key", "none of its base", "name of another", "twice"],
)
def test_a_kind_that_lacks_what_every_kind_needs_is_refused(
    performer: Performer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, perform_greet)
    before = dict(PERFORMERS)
    with pytest.raises(TypeError, match=fault):
        performs(performer)
    assert before == PERFORMERS


def test_a_scheduled_kind_has_its_name_as_effect_key(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, perform_often)
    assert Often().effect_key == "often"
