"""An example of each kind of job, and how its effect is seen: for the test that kills a worker after the effect.

A new kind needs an entry here. `effects` returns the effect key of each effect that can be seen: a repeat that is
recognised leaves one, and a repeat that can be recognised leaves the same one twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.provider.catalogue import Catalogue
from application.billing.notices import TellOfBudget
from application.bus import Bus
from application.content.kept_document import ArchiveUnchangedDocuments, EraseTrashedDocuments
from application.content.ownership_jobs import DocumentOfferMail
from application.generation.batch_following import LOST_AFTER, FollowBatches
from application.generation.batching import SubmitBatches
from application.generation.generation_jobs import ExpireGenerations
from application.generation.notices import TellOfFailure
from application.generation.queueing import GenerateText
from application.generation.used_up import NoteUsedUp
from application.identity.account import OpenAccount
from application.identity.account_jobs import AccountMail, FindAccountForLink, OpenRequestedAccount
from application.identity.session_jobs import EndSessions, NewDeviceMail, ReportReuse
from application.jobs import Job
from application.notices import NoticeMail
from application.ports import Actor, CommandContext
from application.privacy.account_deadlines import MeetAccountDeadlines
from application.privacy.erasure_list import FinishErasure, ListErasure
from application.privacy.forget_mails import ForgetMails
from application.privacy.hold_mails import HoldMail
from application.privacy.resuming import ResumeErasure
from application.privacy.unverified_users import EraseUnverifiedUsers
from application.request_notices import TellOfAccessRequests, TellTeam
from application.teams.domain_checks import CheckDomains
from application.teams.domain_mail_jobs import DomainMail
from application.teams.invitation_jobs import InvitationMail
from application.teams.team_deadlines import MeetTeamDeadlines
from domain.billing.budget import ALLOWANCES, Budget, month_of
from domain.content import ownership
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.content.filing import TRASH_LIFETIME
from domain.generation.generation import WAITING_TIME, Generation
from domain.generation.losing import expire
from domain.generation.placement import Placement
from domain.generation.pricing import TokenPrice
from domain.generation.requesting import ModelChoice, Quote, Wish, request
from domain.generation.urgency import Urgency
from domain.identity.suspension import DELETION_GRACE, remind_of_deletion, request_deletion
from domain.identity.user import User
from domain.kernel import Party, Root
from domain.privacy.erasure_record import ErasureRecord
from domain.teams import invitations
from domain.teams.domain_mails import request_mail
from domain.teams.domains import add_domain, prove_domain
from domain.teams.invitation_times import INVITATION_LIFETIME
from domain.teams.team import Team
from infra.bootstrap.links import open_link_tokens
from infra.bootstrap.write_side import open_write_side, utc_now
from infra.jobs.housekeeping import (
    CutSecrets,
    KeepSecurityLog,
    KeepSessionPartitions,
    PurgeIdempotency,
    PurgeJobs,
    PurgePartialTexts,
    PurgeViews,
)
from infra.settings.model import Settings
from infra.store.answers import HEADER_BYTES, AnswerKind
from tests.support.dns_server import HOST, Zone, dns_server
from tests.support.links import PlainLinks
from tests.support.roles import RoleProcess, environment
from tests.support.servers import Database
from tests.support.stores import KEYS, open_store, rows
from tests.support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Scene:
    """What an example acts on. `folder`: the worker's data. `stack`: what the example has started ends with it.

    `environment`: further settings of the worker, such as the address of a mail server.
    """

    database: Database
    folder: Path
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobExample:
    """A job, what must be there before it, and the effects that can be seen."""

    job: Job
    prepare: Callable[[Scene], None]
    effects: Callable[[Scene], Sequence[str]]


OLD_RECORD = """
INSERT INTO idempotency (key, fingerprint, subject_id, stream_id, version, answer, recorded_at)
VALUES ('old', '', gen_random_uuid(), gen_random_uuid(), 1, %s, now() - %s::interval)
"""
OLD_JOB = """
WITH ended AS (INSERT INTO jobs.procrastinate_jobs (id, queue_name, task_name, status)
               VALUES (999, 'default', 'job', 'succeeded') RETURNING id)
INSERT INTO jobs.procrastinate_events (job_id, type, at) SELECT id, 'succeeded', now() - interval '25 hours' FROM ended
"""
OLD_PARTITION = """
CREATE TABLE security_log_2020_01 PARTITION OF security_log FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')
"""
SECRET = bytes((1, AnswerKind.SECRET)).ljust(HEADER_BYTES + 10, b"x")


def gone(query: str, job: Job) -> Callable[[Scene], Sequence[str]]:
    """The effect of a job that deletes: the query finds nothing any more."""
    return lambda scene: [] if rows(scene.database.admin_url, query) else [job.effect_key]


def insert(statement: str, *values: object) -> Callable[[Scene], None]:
    """Preparation by one statement."""

    def prepare(scene: Scene) -> None:
        rows(scene.database.admin_url, statement, *values)

    return prepare


USER_ID = UUID(int=0xADA)
DOCUMENT_ID = UUID(int=0xD0C)
TEAM_ID = UUID(int=0x7EA)
EMAIL = "ada@example.org"
OVERDUE = "UPDATE read.pending_verification SET due_at = now() - interval '1 day' RETURNING id"


def start_projector(scene: Scene, table: str) -> None:
    """Start a projector, and wait until it has made a table."""
    projector = RoleProcess("projector", environment(scene.database, None, 1, scene.folder), scene.folder)
    projector.start()
    scene.stack.callback(projector.kill)
    wait_until(lambda: rows(scene.database.admin_url, f"SELECT to_regclass('read.{table}')") != [(None,)])


def open_unverified(scene: Scene) -> None:
    """Open an account."""

    async def opened() -> None:
        async with open_store(scene.database.app_url) as store:
            bus = Bus(store.store, {"clock": utc_now, "new_id": uuid7, "links": PlainLinks()}, store.blind)
            command = OpenAccount(id=USER_ID, email=EMAIL, name="Ada", password_hash="hash")
            await bus.send(command, CommandContext(None, uuid7()))

    with ThreadPoolExecutor(1) as thread:  # the test's own thread has a loop that runs
        thread.submit(asyncio.run, opened()).result()


def open_with_things(scene: Scene) -> None:
    """Open an account, verify its address, create a document of the user, and found a team."""
    now = utc_now()
    user = User.register(id=USER_ID, email=EMAIL, name="Ada", password_hash="hash", now=now)
    user.trigger_event(User.EmailVerified, now=now)
    append(scene, user)
    append(scene, Document.create(id=DOCUMENT_ID, owner_id=USER_ID, title="Notes", content="", now=now))
    append(scene, found(now))


def ask_for_access(scene: Scene) -> None:
    """Ask for access to a document, beside a projector, which says which requests are open."""
    start_projector(scene, "access_request")
    open_with_things(scene)
    now, asker = utc_now(), Actor(UUID(int=0xA5C), UUID(int=5))
    user = User.register(id=asker.user_id, email="bob@example.org", name="Bob", password_hash="hash", now=now)
    request = AccessRequest.ask(document_id=DOCUMENT_ID, role="viewer", message=None, by=asker, now=now)
    append(scene, user, request)
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.access_request")))
    wait_until(lambda: bool(rows(scene.database.admin_url, f"SELECT FROM read.user_profile WHERE id = '{user.id}'")))


def open_long_ago(scene: Scene) -> None:
    """Open an account that was to be verified until yesterday, beside a projector, for which erasures wait."""
    start_projector(scene, "pending_verification")
    open_unverified(scene)
    wait_until(lambda: bool(rows(scene.database.admin_url, OVERDUE)))


def open_beside_a_projector(scene: Scene) -> None:
    """Open an account beside a projector, for which erasures wait."""
    start_projector(scene, "document")
    open_unverified(scene)


def delete_long_ago(scene: Scene) -> None:
    """Open an account that was to be erased until yesterday, beside a projector, for which erasures wait."""
    start_projector(scene, "account_deadline")
    user = User.register(id=USER_ID, email=EMAIL, name="Ada", password_hash="hash", now=utc_now() - 2 * DELETION_GRACE)
    request_deletion(user, now=utc_now() - 2 * DELETION_GRACE)
    remind_of_deletion(user, now=utc_now() - DELETION_GRACE)
    append(scene, user)
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.account_deadline")))


def keep_mail(scene: Scene) -> None:
    """Keep a mail to a user as a file."""
    (scene.folder / "mail").mkdir()
    (scene.folder / "mail" / f"now-verify.{USER_ID.hex}.1.eml").touch()


def lift_hold(scene: Scene) -> None:
    """Lift a legal hold on an account that was to be erased until yesterday."""
    delete_long_ago(scene)
    record = ErasureRecord.open("user", USER_ID, now=utc_now())
    record.place(UUID(int=0x401D), now=utc_now())
    record.lift(UUID(int=0x401D), now=utc_now())
    append(scene, record)


def hold(scene: Scene) -> None:
    """Place a legal hold on an account that is to be erased."""
    user = User.register(id=USER_ID, email=EMAIL, name="Ada", password_hash="hash", now=utc_now())
    request_deletion(user, now=utc_now())
    record = ErasureRecord.open("user", USER_ID, now=utc_now())
    record.place(UUID(int=0x401D), now=utc_now())
    append(scene, user, record)


def long_ago(*, trashed: bool) -> Callable[[Scene], None]:
    """Preparation by a document that was trashed, or last saved, long ago, beside a projector."""

    def prepare(scene: Scene) -> None:
        start_projector(scene, "document")
        scene.environment["PALIMPSEST_ARCHIVE_AFTER_DAYS"] = "30"
        then = utc_now() - 2 * TRASH_LIFETIME
        document = Document.create(id=uuid7(), owner_id=USER_ID, title="Old", content="", now=then)
        if trashed:
            document.trash(by=Actor(USER_ID), now=then)
        append(scene, document)
        wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.document")))

    return prepare


def append(scene: Scene, *roots: Root) -> None:
    """Store the events of aggregates."""

    async def appended() -> None:
        async with open_store(scene.database.app_url) as store:
            await store.store.append([*roots], CommandContext(None, uuid7()), None)

    with ThreadPoolExecutor(1) as thread:  # the test's own thread has a loop that runs
        thread.submit(asyncio.run, appended()).result()


def offer_document(scene: Scene) -> None:
    """Offer a document to somebody."""
    owner, now = Actor(USER_ID, UUID(int=1)), utc_now()
    document = Document.create(id=DOCUMENT_ID, owner_id=USER_ID, title="Notes", content="", now=now)
    ownership.offer(document, address_id=UUID(int=2), email=EMAIL, by=owner, now=now)
    append(scene, document)


def happened(topic: str, job: Job) -> Callable[[Scene], Sequence[str]]:
    """The effect of a job that causes events."""
    query = "SELECT FROM stored_events WHERE topic = %s"
    return lambda scene: [job.effect_key for _ in rows(scene.database.admin_url, query, topic)]


def enqueued(wanted: Job, job: Job) -> Callable[[Scene], Sequence[str]]:
    """The effect of a job that enqueues another one."""
    query = "SELECT FROM jobs.procrastinate_jobs WHERE args ->> 'effect' = %s"
    return lambda scene: [job.effect_key for _ in rows(scene.database.admin_url, query, wanted.effect_key)]


def mailed(scene: Scene) -> Sequence[str]:
    """The left parts of the Message-IDs of all mails, which are files."""
    return [file.stem.partition("-")[2].rpartition(".")[0] for file in (scene.folder / "mail").glob("*.eml")]


def found_and_invite(scene: Scene, now: datetime) -> None:
    """Found a team, and invite somebody to it."""
    owner = Actor(USER_ID, UUID(int=1))
    team = found(now)
    invitations.invite(team, address_id=UUID(int=2), email=EMAIL, role="editor", by=owner, now=now)

    async def appended() -> None:
        async with open_store(scene.database.app_url) as store:
            await store.store.append([team], CommandContext(None, uuid7()), None)

    with ThreadPoolExecutor(1) as thread:  # the test's own thread has a loop that runs
        thread.submit(asyncio.run, appended()).result()


def prove_long_ago(scene: Scene) -> None:
    """Prove a domain whose record is gone, beside a projector, which says which domains are proved."""
    start_projector(scene, "team_domain")
    scene.environment["PALIMPSEST_DNS_SERVERS"] = f"{HOST}:{scene.stack.enter_context(dns_server(Zone()))}"
    team, owner = found(utc_now()), Actor(USER_ID, UUID(int=1))
    add_domain(team, domain_id=uuid7(), name="rivers.example", is_public_provider=False, by=owner, now=utc_now())
    prove_domain(team, next(iter(team.domains)), found=True, by=owner, now=utc_now())
    append(scene, team)
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.team_domain WHERE proved_at IS NOT NULL")))


def request_domain_mail(scene: Scene) -> None:
    """Name a domain, and have a mail sent to its postmaster."""
    team, owner = found(utc_now()), Actor(USER_ID, UUID(int=1))
    add_domain(team, domain_id=uuid7(), name="rivers.example", is_public_provider=False, by=owner, now=utc_now())

    async def requested() -> None:
        settings = Settings.from_variables({"DATABASE_URL": scene.database.app_url, **KEYS})
        async with open_write_side(settings, "api") as core:
            link = open_link_tokens(core.keys).make("domain", team.id, TEAM_ID)
            [domain_id] = team.domains
            request_mail(team, domain_id, link_id=TEAM_ID, token_digest=link.digest, by=owner, now=utc_now())
            await core.store.append([team], CommandContext(None, uuid7()), None)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, requested()).result()


def found(now: datetime) -> Team:
    """Found a team."""
    return Team.found(id=TEAM_ID, name="Crew", slug="crew", owner_id=USER_ID, now=now)


def invite_somebody(scene: Scene) -> None:
    """Invite somebody to a team."""
    found_and_invite(scene, utc_now())


def invite_long_ago(scene: Scene) -> None:
    """Invite somebody who did not answer in time, beside a projector, which says what is due."""
    start_projector(scene, "team_invitation")
    found_and_invite(scene, utc_now() - 2 * INVITATION_LIFETIME)
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.team_invitation")))


def ask_for_text(scene: Scene) -> None:
    """Ask for a text for a document."""
    append(scene, *text_request(utc_now()))


def text_request(now: datetime, urgency: Urgency = "now") -> tuple[Document, Generation, Budget]:
    """A request of a text for a document."""
    asker = Actor(USER_ID)
    document = Document.create(id=UUID(int=0xD0C), owner_id=USER_ID, title="River", content="Otters.", now=now)
    model = ModelChoice(Catalogue.read().default.name, TokenPrice(1, 1), 10_000, 1_000, takes_temperature=True)
    quote = Quote("", 100, month_of(now))
    wish = Wish("Describe it.", {}, Placement(), 100, urgency=urgency)
    generation = request(document, wish, model, quote, id=GENERATION_ID, by=asker, now=now)
    budget = Budget.open(payer=generation.payer, month=generation.month, now=now)
    budget.reserve(generation.id, tokens=200, micros=1, allowance=ALLOWANCES["free"], now=now)
    return document, generation, budget


def ask_in_vain(scene: Scene) -> None:
    """Ask for a text that no worker writes in time."""
    long_ago = utc_now() - 2 * WAITING_TIME
    document, generation, budget = text_request(long_ago)
    expire(generation, lost_tokens=0, now=utc_now())
    append(scene, document, generation, budget)


def use_up_budget(scene: Scene) -> None:
    """Use half of a budget."""
    budget = Budget.open(payer=PAYER, month="2026-11", now=utc_now())
    budget.reserve(GENERATION_ID, tokens=100_000, micros=1, allowance=ALLOWANCES["free"], now=utc_now())
    budget.settle(GENERATION_ID, tokens=100_000, micros=1, now=utc_now())
    append(scene, budget)


def ask_long_ago(scene: Scene) -> None:
    """Ask for a text that no worker wrote, beside a projector, which says what is lost."""
    start_projector(scene, "generation")
    append(scene, *text_request(utc_now() - 2 * WAITING_TIME))
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.generation")))


def ask_for_batch(scene: Scene) -> None:
    """Ask for a text that a batch is to write, beside a projector, which says what waits."""
    start_projector(scene, "generation")
    append(scene, *text_request(utc_now(), "batch"))
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.generation")))


def lose_batch(scene: Scene) -> None:
    """Start a batch that its worker has not sent, beside a projector."""
    start_projector(scene, "generation")
    long_ago = utc_now() - 2 * LOST_AFTER
    document, generation, budget = text_request(long_ago, "batch")
    generation.start_attempt(
        document, prompt_tokens=100, obstacle=None, by=Actor(USER_ID), now=long_ago, batch_id=UUID(int=0xBA7C)
    )
    append(scene, document, generation, budget)
    wait_until(lambda: bool(rows(scene.database.admin_url, "SELECT FROM read.generation WHERE in_batch")))


GENERATION_ID = UUID(int=0x6E)
GENERATE = GenerateText(generation_id=GENERATION_ID, round=1, payer_id=GENERATION_ID, model="gpt-5-nano")
OLD_PIECE = """
INSERT INTO partial_texts (generation_id, attempt, variant, start, sealed, kept_at)
VALUES (gen_random_uuid(), 1, 1, 0, '', now() - interval '25 hours')
"""
OPEN = OpenRequestedAccount(account_id=USER_ID, email=EMAIL, name="Ada", password_hash="hash")
FIND = FindAccountForLink(request_id=USER_ID, link="reset", email=EMAIL)
MAIL = AccountMail(template="password_changed", user_id=USER_ID, version=1)
TELL = TellOfAccessRequests(document_id=DOCUMENT_ID, due=utc_now())
NOTICE = NoticeMail(template="access_asked", user_id=USER_ID, about_id=DOCUMENT_ID, cause=TELL.effect_key)
TELL_TEAM = TellTeam(template="join_asked", team_id=TEAM_ID, due=utc_now())
JOIN_NOTICE = NoticeMail(template="join_asked", user_id=USER_ID, about_id=TEAM_ID, cause=TELL_TEAM.cause(TEAM_ID))
PAYER = Party("user", USER_ID)
TELL_OF_BUDGET = TellOfBudget(budget_id=Budget.id_of(PAYER, "2026-11"), percent=50, due=utc_now())
BUDGET_NOTICE = NoticeMail(template="budget_50", user_id=USER_ID, about_id=USER_ID, cause=TELL_OF_BUDGET.effect_key)
USED_UP = NoteUsedUp(
    payer_kind="user", payer_id=USER_ID, month="2026-11", tokens=200_000, micros=500_000, budget_version=3
)
TELL_OF_FAILURE = TellOfFailure(generation_id=GENERATION_ID, version=2, due=utc_now())
FAILURE_NOTICE = NoticeMail(
    template="generation_dead", user_id=USER_ID, about_id=GENERATION_ID, cause=TELL_OF_FAILURE.effect_key
)
INVITATION = InvitationMail(team_id=TEAM_ID, version=2)
DOMAIN_MAIL = DomainMail(team_id=TEAM_ID, version=3)
HOLD_MAIL = HoldMail(
    template="deletion_held", record_id=ErasureRecord.id_of(USER_ID), stream_id=ErasureRecord.id_of(USER_ID), version=2
)
FORGET = ForgetMails(subject_id=USER_ID)
RESUME = ResumeErasure(record_id=ErasureRecord.id_of(USER_ID), version=3)
LIST = ListErasure(stream_kind="user", stream_id=USER_ID, erased_at=utc_now())
FINISH = FinishErasure(stream_kind="user", stream_id=USER_ID)
OFFER = DocumentOfferMail(document_id=DOCUMENT_ID, version=2)
REPORT = ReportReuse(user_id=USER_ID, session_id=UUID(int=0x5E55))
NEW_DEVICE = NewDeviceMail(user_id=USER_ID, session_id=UUID(int=0x5E55), device="Firefox", at=utc_now())
END = EndSessions(user_id=USER_ID, version=2)
SESSION = """
INSERT INTO sessions (id, user_id, user_version, mode, created_at, last_used_at, idle_ends_at, ends_at, family_digest,
    token_digest)
VALUES (%s, %s, 1, 'bearer', now(), now(), now() + interval '1 day', now() + interval '1 day', '', '')
"""

EXAMPLES: Mapping[type[Job], JobExample] = {
    example.job.__class__: example
    for example in (
        JobExample(
            PurgeIdempotency(),
            insert(OLD_RECORD, bytes(HEADER_BYTES), "49 hours"),
            gone("SELECT FROM idempotency", PurgeIdempotency()),
        ),
        JobExample(
            CutSecrets(),
            insert(OLD_RECORD, SECRET, "11 minutes"),
            gone(f"SELECT FROM idempotency WHERE octet_length(answer) > {HEADER_BYTES}", CutSecrets()),
        ),
        JobExample(
            PurgeJobs(),
            insert(OLD_JOB),
            gone("SELECT FROM jobs.procrastinate_jobs WHERE id = 999", PurgeJobs()),
        ),
        JobExample(
            KeepSessionPartitions(),
            insert("SELECT keep_session_partitions('2020-01-02', '2019-01-02')"),
            gone("SELECT FROM pg_class WHERE relname = 'sessions_2020_01'", KeepSessionPartitions()),
        ),
        JobExample(
            KeepSecurityLog(),
            insert(OLD_PARTITION),
            gone("SELECT FROM pg_class WHERE relname = 'security_log_2020_01'", KeepSecurityLog()),
        ),
        JobExample(
            PurgeViews(),
            insert("INSERT INTO recent_documents VALUES (%s, %s, now() - interval '91 days')", USER_ID, TEAM_ID),
            gone("SELECT FROM recent_documents", PurgeViews()),
        ),
        JobExample(PurgePartialTexts(), insert(OLD_PIECE), gone("SELECT FROM partial_texts", PurgePartialTexts())),
        JobExample(GENERATE, ask_for_text, happened("generation.answered", GENERATE)),
        JobExample(ExpireGenerations(), ask_long_ago, happened("generation.given_up", ExpireGenerations())),
        JobExample(SubmitBatches(), ask_for_batch, happened("generation.attempt_started", SubmitBatches())),
        JobExample(FollowBatches(), lose_batch, happened("generation.attempt_ended", FollowBatches())),
        JobExample(USED_UP, lambda _: None, happened("budget.notice_reached", USED_UP)),
        JobExample(OPEN, lambda _: None, happened("user.registered", OPEN)),
        JobExample(FIND, open_unverified, happened("user.password_reset_requested", FIND)),
        JobExample(MAIL, open_unverified, lambda scene: [key for key in mailed(scene) if key == MAIL.effect_key]),
        JobExample(MeetAccountDeadlines(), delete_long_ago, happened("user.erased", MeetAccountDeadlines())),
        JobExample(
            NEW_DEVICE, open_unverified, lambda scene: [key for key in mailed(scene) if key == NEW_DEVICE.effect_key]
        ),
        JobExample(REPORT, open_unverified, happened("user.token_reused", REPORT)),
        JobExample(
            END,
            insert(SESSION, uuid7(), USER_ID),
            gone("SELECT FROM sessions WHERE ended_at IS NULL", END),
        ),
        JobExample(
            EraseTrashedDocuments(), long_ago(trashed=True), happened("document.erased", EraseTrashedDocuments())
        ),
        JobExample(
            ArchiveUnchangedDocuments(),
            long_ago(trashed=False),
            happened("document.saved", ArchiveUnchangedDocuments()),
        ),
        JobExample(
            TELL,
            ask_for_access,
            enqueued(NOTICE, TELL),
        ),
        JobExample(
            TELL_TEAM,
            open_with_things,
            enqueued(JOIN_NOTICE, TELL_TEAM),
        ),
        JobExample(TELL_OF_BUDGET, use_up_budget, enqueued(BUDGET_NOTICE, TELL_OF_BUDGET)),
        JobExample(TELL_OF_FAILURE, ask_in_vain, enqueued(FAILURE_NOTICE, TELL_OF_FAILURE)),
        JobExample(NOTICE, open_with_things, lambda scene: [key for key in mailed(scene) if key == NOTICE.effect_key]),
        JobExample(
            INVITATION, invite_somebody, lambda scene: [key for key in mailed(scene) if key == INVITATION.effect_key]
        ),
        JobExample(
            DOMAIN_MAIL,
            request_domain_mail,
            lambda scene: [key for key in mailed(scene) if key == DOMAIN_MAIL.effect_key],
        ),
        JobExample(CheckDomains(), prove_long_ago, happened("team.domain_missed", CheckDomains())),
        JobExample(
            LIST,
            lambda _: None,
            lambda scene: [LIST.effect_key for _ in (scene.folder / "files").glob(f"*/{LIST.effect_key}")],
        ),
        JobExample(
            FORGET,
            keep_mail,
            lambda scene: [] if [*(scene.folder / "mail").glob("*.eml")] else [FORGET.effect_key],
        ),
        JobExample(FINISH, open_beside_a_projector, happened("user.erased", FINISH)),
        JobExample(RESUME, lift_hold, happened("user.erased", RESUME)),
        JobExample(HOLD_MAIL, hold, lambda scene: [key for key in mailed(scene) if key == HOLD_MAIL.effect_key]),
        JobExample(OFFER, offer_document, lambda scene: [key for key in mailed(scene) if key == OFFER.effect_key]),
        JobExample(MeetTeamDeadlines(), invite_long_ago, happened("team.invitation_expired", MeetTeamDeadlines())),
        JobExample(EraseUnverifiedUsers(), open_long_ago, happened("user.erased", EraseUnverifiedUsers())),
    )
}
