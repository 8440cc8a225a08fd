"""Logs: one JSON object a line from every library, without secrets, personal data or local variables."""

import asyncio
import json
import logging
import re
import socket
from io import StringIO
from typing import Any

import httpx2
import psycopg
import pytest
import structlog
from structlog.testing import capture_logs

from infra.cli.main import log_errors_only
from infra.local.servers.process import free_port
from infra.telemetry.logs import BufferedLogStream, configure_logging
from infra.telemetry.metrics import MetricsError, start_metrics
from infra.telemetry.redaction import describe_error

CANARY = "canary-7321"


class Log:
    """A log, set up as in a process, and what was written to it."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def open(self) -> None:
        """Only in the test itself: between set-up and test, pytest puts its own handlers back."""
        configure_logging("INFO", "json", role="api")

    def read(self) -> tuple[str, list[dict[str, Any]]]:
        text = self._capture.readouterr().out
        return text, [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(capsys)


def test_a_logger_keeps_no_set_up_of_an_earlier_test(log: Log) -> None:
    log.open()
    early = structlog.get_logger("early")
    early.info("written")
    structlog.reset_defaults()
    with capture_logs() as lines:
        early.info("captured")
    assert [line["event"] for line in lines] == ["captured"]


def test_every_line_carries_the_request_whichever_library_writes_it(log: Log) -> None:
    log.open()
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("ours").info("done", documents=3)
    logging.getLogger("theirs").warning("slow %s", "query", extra={"rows": 5})
    logging.getLogger("uvicorn.error").error("oops")
    _, lines = log.read()
    assert [line["event"] for line in lines] == ["done", "slow query", "oops"]
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert {line["role"] for line in lines} == {"api"}
    assert (lines[0]["documents"], lines[1]["rows"]) == (3, 5)


class Paper(StringIO):
    """A stream that counts its writes, and may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.full = False

    def write(self, text: str) -> int:
        self.writes += 1
        if self.full:
            raise OSError("no space left")
        return super().write(text)


async def test_lines_of_one_turn_are_written_at_once_and_in_order() -> None:
    paper = Paper()
    stream = BufferedLogStream(paper)
    for n in range(3):
        stream.write(f"{n}\n")
    assert paper.writes == 0
    await asyncio.sleep(0)
    stream.write("3\n")
    await asyncio.sleep(0)
    assert (paper.getvalue(), paper.writes) == ("0\n1\n2\n3\n", 2)


async def test_lines_go_on_after_one_that_could_not_be_written() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    paper = Paper()
    stream = BufferedLogStream(paper)
    paper.full = True
    stream.write("lost\n")
    await asyncio.sleep(0)
    paper.full = False
    stream.write("kept\n")
    await asyncio.sleep(0)
    assert paper.getvalue() == "kept\n"


def test_outside_of_a_loop_a_line_is_written_straight_away() -> None:
    paper = Paper()
    BufferedLogStream(paper).write("now\n")
    assert paper.getvalue() == "now\n"


def test_names_that_give_away_secrets_and_personal_data_are_blanked_at_any_depth(log: Log) -> None:
    log.open()
    structlog.get_logger("ours").info(
        "asked",
        password=CANARY,
        headers={"Authorization": CANARY, "X-Api-Key": CANARY},
        users=[{"email": CANARY, "id": 1}],
        invited_email=CANARY,
        title=CANARY,
    )
    logging.getLogger("theirs").info("asked", extra={"access_token": CANARY})
    text, lines = log.read()
    assert CANARY not in text
    assert lines[0]["users"][0]["id"] == 1


def test_an_error_says_where_but_neither_values_nor_local_variables(log: Log) -> None:
    log.open()
    try:
        try:
            here = CANARY  # noqa: F841 - must not be logged
            raise psycopg.errors.UniqueViolation(f'duplicate key "{CANARY}"\nDETAIL: Key (email)=({CANARY}) exists.')
        except psycopg.Error as error:
            raise RuntimeError(f"could not register '{CANARY}'") from error
    except RuntimeError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("theirs").exception("failed")
    text, lines = log.read()
    assert CANARY not in text
    assert len(lines) == 2
    for line in lines:
        assert "UniqueViolation: duplicate key …" in line["exception"]
        assert "test_an_error_says_where" in line["exception"]


@pytest.mark.parametrize(
    "message",
    [
        f"cannot read 'O'Brien {CANARY}",
        f"cannot read 'O'Brien {CANARY}'",
        f"cannot read O'Brien's {CANARY}",
        f'cannot read "{CANARY}',
        f"cannot read (1 (2) {CANARY})",
        f"cannot read `{CANARY}",
        f"cannot read [{CANARY}]",
    ],
)
def test_no_value_that_an_error_may_quote_is_logged(message: str) -> None:
    text = describe_error(ValueError(message))
    assert "ValueError: cannot read" in text
    assert CANARY not in text


def test_a_group_of_errors_is_logged_in_full() -> None:
    text = describe_error(ExceptionGroup("several", [ValueError("one"), KeyError("two")]))
    assert "ValueError: one" in text
    assert "KeyError: …" in text


def test_a_terminal_gets_readable_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "console")
    structlog.get_logger("ours").info("done", password=CANARY)
    text = capsys.readouterr().out
    assert not text.startswith("{")
    assert CANARY not in text


def test_errors_within_a_command_are_no_part_of_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    log_errors_only()
    structlog.get_logger("ours").error("damaged")
    output = capsys.readouterr()
    assert output.out == ""
    assert "damaged" in output.err


EVIL = "a\n999999 forged \x1b[2J\x9b31m\x07\r\u202e:smile:"


def test_no_field_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """L1: texts came raw out of the console log. The names of colours are structlog's own."""
    configure_logging("INFO", "console")
    structlog.get_logger("ours").info(f"done {EVIL}", path="/\x1b]0;pwned\x07", text=EVIL, inner={"text": [EVIL]})
    logging.getLogger("theirs").warning("slow %s", EVIL, extra={"text": EVIL})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.sub(r"\x1b\[\d+m", "", line).isprintable()


def test_the_traceback_of_an_error_has_lines_that_control_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "console")
    try:
        raise RuntimeError("\x1b[2J")
    except RuntimeError:
        structlog.get_logger("ours").exception("failed")
    text = capsys.readouterr().out
    assert "\x1b[2J" not in text
    assert "\nRuntimeError: " in text


def test_a_taken_metrics_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MetricsError, match=f"{port}.*PALIMPSEST_METRICS_PORT"):
            start_metrics(port)


def test_port_0_serves_no_metrics() -> None:
    start_metrics(0)


def test_a_metrics_host_of_another_machine_is_not_called_a_taken_port() -> None:
    with pytest.raises(MetricsError, match="PALIMPSEST_METRICS_HOST"):
        start_metrics(free_port(), "192.0.2.1")


def test_a_pool_that_tries_again_and_again_does_not_say_so_each_time(log: Log) -> None:
    log.open()
    logging.getLogger("psycopg.pool").warning("error connecting")
    logging.getLogger("psycopg.pool").error("broken")
    _, lines = log.read()
    assert [line["event"] for line in lines] == ["broken"]


async def test_an_http_client_does_not_log_the_addresses_that_it_asks(log: Log) -> None:
    """The address of a collector of events may hold its secret."""
    log.open()
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200))
    async with httpx2.AsyncClient(transport=answer) as client:
        await client.post(f"https://siem.example/{CANARY}?token={CANARY}", content=b"{}")
    logging.getLogger("httpcore2.http11").debug("headers of a redirect: %s", CANARY)
    assert log.read() == ("", [])
