"""What workers have done and left: the jobs of the queue, and the mails that the mail server has accepted."""

from dataclasses import dataclass

import psycopg

from tests.support.billing_provider import BilledCall
from tests.support.smtp import ReceivedMail

JOBS = "SELECT args ->> 'kind', args ->> 'effect', status::text FROM jobs.procrastinate_jobs ORDER BY id"
# Jobs by a schedule may be enqueued at any moment: they wait without being late.
QUIET = """
SELECT (SELECT min(position) FROM policies) >= (SELECT max(notification_id) FROM stored_events)
    AND NOT EXISTS (
        SELECT FROM jobs.procrastinate_jobs
        WHERE status = 'todo' AND args ->> 'kind' NOT IN (SELECT kind FROM jobs.schedules)
    )
    AND (SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing') <= %s
"""
QUARANTINED = "SELECT count(*) FROM policy_quarantine"


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job in the queue. `status`: procrastinate's."""

    kind: str
    effect: str
    status: str


@dataclass(frozen=True, slots=True)
class Kill:
    """What was killed, and from when to when, in seconds since 1970: several processes die one after the other."""

    card: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Work:
    """All jobs, all mails in the order of their acceptance, and the number of streams that policies leave out.

    `kills`: the number of kills after which a mail may come again. `calls`: what the provider has billed. `struck`: the
    kills after which it may be asked again.
    """

    jobs: list[KeptJob]
    mails: list[ReceivedMail]
    quarantined: int
    kills: int
    calls: list[BilledCall]
    struck: list[Kill]


def read_work(
    admin_url: str, mails: list[ReceivedMail], kills: int, calls: list[BilledCall], struck: list[Kill]
) -> Work:
    """Read the queue. No worker may be at work."""
    with psycopg.connect(admin_url) as connection:
        jobs = [KeptJob(*row) for row in connection.execute(JOBS)]
        found = connection.execute(QUARANTINED).fetchone()
    assert found is not None
    return Work(jobs, mails, found[0], kills, calls, struck)


def is_quiet(admin_url: str, running: int = 0) -> bool:
    """Whether policies have reached the end of the log, no job waits, and at most so many jobs run."""
    with psycopg.connect(admin_url) as connection:
        return connection.execute(QUIET, [running]).fetchone() == (True,)


def effect_of(mail: ReceivedMail) -> str:
    """The effect key of the job that sent a mail: the left part of its Message-ID."""
    return mail.message_id.strip("<>").partition("@")[0]
