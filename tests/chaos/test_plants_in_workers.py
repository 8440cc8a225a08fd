"""Every check of mails and jobs is seen to catch a fault of workers, or of what they have left.

The scene: a worker was killed after it had sent a mail and before it noted that. In a copy of what a real run has left,
another worker takes over, and opens one more account. Without a fault all holds.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from adapters.mail.smtp_mailer import SmtpMailer
from application.cause import Cause
from application.identity.account_jobs import AccountMail, OpenRequestedAccount
from application.jobs import Job, perform
from application.ports import Mail
from infra.bootstrap import worker
from infra.bootstrap.write_side import open_write_side
from infra.jobs import performing
from infra.jobs.queue import PostgresJobQueue
from infra.jobs.stalled import StalledJobs
from infra.settings.model import Settings
from tests.chaos import invariants_of_work as checks
from tests.chaos.evidence import Evidence, read_log
from tests.chaos.ledger import Answered, Asked, Attempt, Ledger, LoggedIn
from tests.chaos.real import Real, violated
from tests.chaos.verdicts import Check
from tests.chaos.work import KeptJob, Work, effect_of, is_quiet, read_work
from tests.support.servers import Database
from tests.support.smtp import Ledger as MailLedger
from tests.support.smtp import settings_of, smtp_server
from tests.support.stores import KEYS, open_store, rows
from tests.support.waiting import until

ACCOUNT, ATTEMPT, EMAIL = UUID(int=0xADA), UUID(int=0xA77), "after.the.kill@example.org"


class Scene:
    """A copy of the database and of the ledger of mails.

    `left`: the effect key of the job that the killed worker left. `running`: jobs that still run when all is done.
    """

    def __init__(self, real: Real, database: Database, folder: Path) -> None:
        self.database = database
        self.mails = MailLedger(Path(shutil.copy(real.mails.path, folder)))
        self.running = 0
        sent = [effect_of(mail) for mail in self.mails.mails()]
        leave = "UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL WHERE args ->> 'effect' = %s"
        self.left = next(effect for effect in reversed(sent) if effect.startswith("password_changed."))
        rows(database.admin_url, leave, self.left)


Plant = Callable[[Scene, pytest.MonkeyPatch], None]


def plant_nothing(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The scene itself."""


def commit_the_checkpoint_before_the_jobs(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The first process with jobs of a policy dies when their checkpoint is committed; the next one goes on there."""
    enqueue, died = PostgresJobQueue.enqueue_on, list[Job]()

    async def enqueue_on(self: PostgresJobQueue, connection: object, jobs: list[Job], causes: list[Cause]) -> None:
        if died:
            await enqueue(self, connection, jobs, causes)  # type: ignore[arg-type]
        died.extend(jobs)

    patch.setattr(PostgresJobQueue, "enqueue_on", enqueue_on)


def note_a_job_before_its_effect(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The worker dies between the two, at the first mail of the new account."""

    async def note(job: Job, ports: dict[str, object]) -> None:
        if not (isinstance(job, AccountMail) and job.user_id == ACCOUNT):
            await perform(job, ports)

    patch.setattr(performing, "perform", note)


def note_a_registration_before_its_effect(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The worker dies between the two."""

    async def note(job: Job, ports: dict[str, object]) -> None:
        if not isinstance(job, OpenRequestedAccount):
            await perform(job, ports)

    patch.setattr(performing, "perform", note)


def react_twice(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The jobs of a policy are committed, and its checkpoint is not moved."""
    back = "(SELECT max(notification_id) - 1 FROM stored_events WHERE topic = 'user.verification_requested')"
    rows(scene.database.admin_url, f"UPDATE policies SET position = {back}")


def give_repeats_another_message_id(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """Each try of a mail has a Message-ID of its own."""
    send = SmtpMailer.send

    async def send_again(self: SmtpMailer, mail: Mail) -> None:
        tries = sum(effect_of(each).startswith(mail.message_id) for each in scene.mails.mails())
        await send(self, replace(mail, message_id=f"{mail.message_id}{'.again' * tries}"))

    patch.setattr(SmtpMailer, "send", send_again)


def take_nothing_over(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """Workers that do not look for the jobs of lost ones."""

    async def look(self: StalledJobs) -> None:
        scene.running = 1  # the job that was left stays so

    patch.setattr(StalledJobs, "look", look)


def send_to_somebody_else(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    send = SmtpMailer.send

    async def misdirect(self: SmtpMailer, mail: Mail) -> None:
        await send(self, replace(mail, to="mallory@example.org"))

    patch.setattr(SmtpMailer, "send", misdirect)


CAUGHT_BY: dict[Plant, set[Check]] = {
    plant_nothing: set(),
    commit_the_checkpoint_before_the_jobs: {
        checks.each_event_causes_its_jobs_once,
        checks.each_event_that_asks_for_a_mail_has_it,
        checks.what_was_accepted_is_done,
    },
    note_a_job_before_its_effect: {
        checks.each_event_that_asks_for_a_mail_has_it,
        checks.what_was_accepted_is_done,
    },
    note_a_registration_before_its_effect: {checks.what_was_accepted_is_done},
    react_twice: {checks.each_event_causes_its_jobs_once},
    give_repeats_another_message_id: {checks.each_mail_is_about_an_event},
    take_nothing_over: {checks.every_job_ends_done},
    send_to_somebody_else: {checks.each_mail_is_about_an_event, checks.what_was_accepted_is_done},
}


@pytest.mark.parametrize("plant", CAUGHT_BY, ids=lambda plant: plant.__name__)
def test_a_fault_in_a_worker_is_caught(
    plant: Plant, real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real.copy() as database:
        scene = Scene(real, database, tmp_path)
        plant(scene, monkeypatch)
        evidence = asyncio.run(go_on(scene, real.outcome.evidence))
    found = checks_of_work() & violated(evidence)
    assert CAUGHT_BY[plant] <= found
    assert CAUGHT_BY[plant] or not found
    if plant is plant_nothing:
        assert evidence.work
        repeats = [effect_of(mail) for mail in evidence.work.mails].count(scene.left)
        assert repeats == 2, "the mail of the killed worker came again"
        assert violated(replace(evidence, work=replace(evidence.work, kills=0))) >= {
            checks.a_mail_comes_again_only_after_a_kill
        }


async def go_on(scene: Scene, before: Evidence) -> Evidence:
    """Request one more account, let a worker do all that is to be done, and look at what it leaves."""
    ask = Attempt(
        Asked(attempt=ATTEMPT, operation="one more", kind="register", user_id=None, request="", about=EMAIL),
        Answered(attempt=ATTEMPT, status=202),
    )
    ledger = replace(before.ledger, attempts={**before.ledger.attempts, ATTEMPT: ask})
    async with smtp_server(scene.mails) as server:
        url = scene.database.app_url
        settings = Settings.from_variables({"DATABASE_URL": url, **settings_of(server.url), **KEYS})
        async with open_write_side(settings, "api") as core:
            await core.queue.enqueue(
                OpenRequestedAccount(account_id=ACCOUNT, email=EMAIL, name="After", password_hash="hash")
            )
        async with at_work(settings):
            await until(lambda: is_quiet(scene.database.admin_url, scene.running))
    async with open_store(url) as opened:
        log = await read_log(opened.feed(), scene.database.admin_url)
    calls = work_of(before).calls
    work = read_work(scene.database.admin_url, scene.mails.mails(), 1, calls, [])
    return replace(before, log=log, ledger=ledger, work=work)


@contextlib.asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[None]:
    """A worker in this process, for a while."""
    task = asyncio.create_task(worker.work(settings))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def checks_of_work() -> set[Check]:
    """The checks of mails and jobs."""
    return {check for _, check in checks.CHECKS}


def repeat_a_token(evidence: Evidence) -> Evidence:
    """The token of somebody works with another key, too."""
    attempts = evidence.ledger.attempts
    used = next(each for each in attempts.values() if each.acknowledged and each.asked.kind == "verify")
    again = Attempt(msgspec.structs.replace(used.asked, attempt=ATTEMPT, operation="again"), used.answered)
    return with_ledger(evidence, replace(evidence.ledger, attempts={**attempts, ATTEMPT: again}))


def let_a_login_fail(evidence: Evidence) -> Evidence:
    failed = LoggedIn(email=evidence.ledger.logins[0].email, is_right=True, status=401)
    return with_ledger(evidence, replace(evidence.ledger, logins=[*evidence.ledger.logins, failed]))


def forget_all_logins(evidence: Evidence) -> Evidence:
    return with_ledger(evidence, replace(evidence.ledger, logins=[]))


def let_a_wrong_password_in(evidence: Evidence) -> Evidence:
    broken = LoggedIn(email=evidence.ledger.logins[0].email, is_right=False, status=200)
    return with_ledger(evidence, replace(evidence.ledger, logins=[*evidence.ledger.logins, broken]))


def open_an_account_without_a_request(evidence: Evidence) -> Evidence:
    return with_ledger(evidence, Ledger())


def lose_a_job(evidence: Evidence) -> Evidence:
    work = work_of(evidence)
    return replace(evidence, work=replace(work, jobs=[job for job in work.jobs if job.kind != AccountMail.kind]))


def let_a_job_die(evidence: Evidence) -> Evidence:
    work = work_of(evidence)
    return replace(evidence, work=replace(work, jobs=[*work.jobs, KeptJob("purge_jobs", "purge_jobs", "failed")]))


def quarantine_a_stream(evidence: Evidence) -> Evidence:
    return replace(evidence, work=replace(work_of(evidence), quarantined=1))


def exchange_tokens(evidence: Evidence) -> Evidence:
    """A mail has the token of another one."""
    work = work_of(evidence)
    one, other = [mail for mail in work.mails if effect_of(mail).startswith("reset.")][:2]
    return replace(evidence, work=replace(work, mails=[*work.mails, replace(one, text=other.text)]))


def with_ledger(evidence: Evidence, ledger: Ledger) -> Evidence:
    return replace(evidence, ledger=ledger)


def work_of(evidence: Evidence) -> Work:
    assert evidence.work
    return evidence.work


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (repeat_a_token, checks.a_token_works_once),
        (let_a_login_fail, checks.each_confirmed_account_can_log_in),
        (forget_all_logins, checks.each_confirmed_account_can_log_in),
        (let_a_wrong_password_in, checks.each_confirmed_account_can_log_in),
        (open_an_account_without_a_request, checks.jobs_write_what_was_asked_for),
        (lose_a_job, checks.each_event_causes_its_jobs_once),
        (let_a_job_die, checks.every_job_ends_done),
        (quarantine_a_stream, checks.each_event_causes_its_jobs_once),
        (exchange_tokens, checks.each_mail_is_about_an_event),
    ],
)
def test_a_fault_in_what_workers_left_is_caught(
    spoil: Callable[[Evidence], Evidence], check: Check, real: Real
) -> None:
    assert check in violated(spoil(real.outcome.evidence))
