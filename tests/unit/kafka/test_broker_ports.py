"""A broker and its controller never get the same port."""

import json
from pathlib import Path

import pytest

from infra.local.servers import process
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import free_port, free_ports


def chosen(folder: Path, port: int | None) -> tuple[int, int]:
    """The ports of a broker and of its controller, as the state file has them after the choice."""
    EmbeddedKafka(folder, port=port)._choose()
    state = json.loads((folder / "kafka.json").read_text())
    return state["port"], state["controller_port"]


@pytest.mark.parametrize("is_given", [True, False])
def test_a_kept_port_of_the_controller_gives_way_to_that_of_the_broker(tmp_path: Path, is_given: bool) -> None:
    port = free_port()
    (tmp_path / "kafka.json").write_text(json.dumps({"port": port, "controller_port": port}))
    own, controller = chosen(tmp_path, port if is_given else None)
    assert own == port
    assert controller != port


def test_a_new_port_of_the_controller_is_not_that_of_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, another = free_ports(2)
    monkeypatch.setattr(process, "free_ports", lambda count: [own, another][:count])
    assert chosen(tmp_path, own) == (own, another)


def test_ports_that_are_chosen_together_differ() -> None:
    assert len(set(free_ports(100))) == 100
