"""A role whose clock is wrong: `python -m tests.support.wrong_clock SECONDS ROLE`. Times and ids are so far ahead."""

import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat


def main() -> None:
    """Replace the clock before any other module takes it, then run the role."""
    wrong_by = timedelta(seconds=int(sys.argv.pop(1)))
    uuid7 = uuid_utils.compat.uuid7

    def now() -> datetime:
        return datetime.now(UTC) + wrong_by

    def new_id() -> UUID:
        return uuid7(nanoseconds=time.time_ns() + int(wrong_by.total_seconds()) * 10**9)

    uuid_utils.compat.uuid7 = new_id  # type: ignore[assignment]

    from infra.bootstrap import write_side  # noqa: PLC0415 - it takes `uuid7`, others take its clock

    write_side.utc_now = now

    from infra.cli.main import main as palimpsest  # noqa: PLC0415

    palimpsest()


if __name__ == "__main__":
    main()
