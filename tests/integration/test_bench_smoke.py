"""The bench runs, and what it writes can be read by programs. How fast anything is, is none of a test's business."""

import json
from pathlib import Path

from tests.bench.__main__ import measure
from tests.bench.harness import against, below

ROW = {"name", "ours", "peer", "unit", "ratio", "reach", "held"}


def test_the_bench_writes_every_row_with_its_conditions(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    measure(["append"], rounds=1, scale=0.02, file=file)
    written = json.loads(file.read_text())
    assert {"PostgreSQL", "Python", "libraries", "settings"} <= written["conditions"].keys()
    assert "fsync=on" in written["conditions"]["settings"]
    assert all(set(row) == ROW for row in written["rows"])
    for row in written["rows"]:
        assert row["ours"] >= 0  # nothing, where a busy machine gave no time
        assert row["held"] == (row["reach"] and row["ratio"] >= row["reach"])
    assert [row["name"] for row in written["rows"] if row["reach"]] == [
        "append, 16 writers",
        "append, 64 writers",
        "append, 1 writer (peer: INSERT and commit)",
    ]


def test_a_row_that_falls_short_is_missed() -> None:
    assert against("x", "1/s", [10.0, 30.0, 20.0], [10.0, 10.0, 10.0], reach=2).held is True
    assert against("x", "1/s", [10.0, 19.0, 20.0], [10.0, 10.0, 10.0], reach=2).held is False
    assert below("x", "ms", [1.0, 31.0, 2.0], 30).held is True
    assert below("x", "ms", [1.0, 31.0, 30.0], 30).held is False
