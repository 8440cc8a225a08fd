"""The invariants of mails, jobs and policies, as pure checks of the evidence. They are void where no worker is at work.

Mails are judged by the log: which events ask for one, and which later ones make it pointless.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from application.identity.account_jobs import WITH_LOCKDOWN, AccountMail, MailTemplate
from application.jobs import Job, job_kinds
from application.policies.send_account_mails import TEMPLATES
from application.policy import POLICIES, react_to
from domain.billing.budget import Budget
from domain.content.document import Document
from domain.generation.generation import Generation
from domain.identity.user import User
from tests.chaos.applicant import link_of
from tests.chaos.evidence import WORKER, Evidence, Logged
from tests.chaos.ledger import Attempt
from tests.chaos.verdicts import Check, Verdicts, holds
from tests.chaos.work import effect_of

CONFIRMING = ("verify", "reset")
"""The kinds of requests that use a token."""

IN_FLIGHT = 16
"""The mails that one kill may repeat: two workers send eight each at the same time."""

ENDED_BY: dict[MailTemplate, tuple[type[Any], ...]] = {
    "verify": (
        User.VerificationRequested,
        User.RegistrationRepeated,
        User.EmailVerified,
        User.PasswordChanged,
        User.Deactivated,
        User.Erased,
    ),
    "reset": (User.PasswordResetRequested, User.PasswordChanged, User.Deactivated, User.Erased),
    "address_taken": (User.Deactivated, User.Erased),
    "password_changed": (User.Deactivated, User.Erased),
    "token_reused": (User.Deactivated, User.Erased),
}
"""What makes a mail pointless that was not sent before."""

BY_JOBS = (
    User.Registered,
    User.VerificationRequested,
    User.PasswordResetRequested,
    User.RegistrationRepeated,
    User.LockdownLinkIssued,
    Generation.AttemptStarted,
    Generation.AttemptEnded,
    Generation.Answered,
    Generation.Failed,
    Generation.GivenUp,
    Budget.Reserved,
    Budget.Charged,
    Budget.Settled,
    Budget.Released,
    Budget.NoticeReached,
    Document.Saved,
)
"""What jobs may write. Whether they may save a document: `invariants_of_generation.py`."""


def what_was_accepted_is_done(evidence: Evidence) -> Verdicts:
    """The first registration of an address opens an account, a further one is recorded, a repeat is not; all get mail.

    Clients ask for a new password when one is due: then a link is issued.
    """
    if evidence.work is None:
        return
    users, reached = _accounts(evidence), {mail.recipient.lower() for mail in evidence.work.mails}
    repeated = Counter(event.stream_id for event in evidence.log if isinstance(event.data, User.RegistrationRepeated))
    for address, requests in _requests(evidence, "register").items():
        accepted, user_id = _accepted(requests), users.get(address)
        if accepted:
            yield holds(user_id is not None, f"{address} registered, and has no account")
            yield holds(address in reached, f"{address} registered, and got no mail")
        times, least, most = repeated[user_id] if user_id else 0, int(accepted > 1), int(len(requests) > 1)
        yield holds(least <= times <= most, f"{address} registered with {accepted} keys: {times} were recorded")
    issued = {event.stream_id for event in evidence.log if isinstance(event.data, User.PasswordResetRequested)}
    for address, requests in _requests(evidence, "forget").items():
        if _accepted(requests):
            yield holds(users.get(address) in issued, f"{address} asked for a new password, and no link was issued")


def each_event_that_asks_for_a_mail_has_it(evidence: Evidence) -> Verdicts:
    """Unless a later event made it pointless: a link has ended, or an account."""
    if evidence.work is None:
        return
    sent = {effect_of(mail) for mail in evidence.work.mails}
    for stream in _users(evidence).values():
        verified = False
        for at, event in enumerate(stream):
            verified |= isinstance(event.data, User.EmailVerified)
            template = _template_of(event)
            if template is None:
                continue
            is_ended = any(isinstance(later.data, ENDED_BY[template]) for later in stream[at + 1 :])
            # An account that was not verified got a link in place of the other mail.
            is_due = not is_ended and (template != "address_taken" or verified)
            is_sent = _effect(template, event) in sent
            if is_due or is_sent:
                yield holds(is_sent, f"{event.topic} at {event.position} has no mail")


def each_mail_is_about_an_event(evidence: Evidence) -> Verdicts:
    """Its Message-ID names an event of the user that it goes to, and its token is that of the event."""
    if evidence.work is None:
        return
    events = {
        _effect(template, event): (event, stream[0].data.email)
        for stream in _users(evidence).values()
        for event in stream
        if (template := _template_of(event)) is not None
    }
    locks = {event.data.token_digest for event in evidence.log if isinstance(event.data, User.LockdownLinkIssued)}
    for mail in evidence.work.mails:
        event, address = events.get(effect_of(mail), (None, ""))
        if event is None:
            yield f"the mail {mail.message_id} is about no event"
            continue
        link, digest = link_of(mail), getattr(event.data, "token_digest", None)
        yield holds(mail.recipient == address, f"the mail {mail.message_id} went to {mail.recipient}")
        tokens = locks if _template_of(event) in WITH_LOCKDOWN else {digest}
        yield holds((link.digest if link else None) in tokens, f"the mail {mail.message_id} has another token")


def a_mail_comes_again_only_after_a_kill(evidence: Evidence) -> Verdicts:
    """Each kill may repeat the mails that were sent and not yet noted."""
    if evidence.work is None:
        return
    kills, counts = evidence.work.kills, Counter(mail.message_id for mail in evidence.work.mails)
    for message_id, count in counts.items():
        yield holds(count <= 1 + kills, f"the mail {message_id} came {count} times after {kills} kills")
    again = counts.total() - len(counts)
    yield holds(again <= kills * IN_FLIGHT, f"{again} mails came again after {kills} kills")


def every_job_ends_done(evidence: Evidence) -> Verdicts:
    """At the end none waits but those by a schedule, which may come at any moment; none runs, none is dead."""
    if evidence.work is None:
        return
    scheduled = {kind.kind for kind in job_kinds().values() if kind.every is not None}
    for job in evidence.work.jobs:
        may_wait = job.status == "todo" and job.kind in scheduled
        yield holds(job.status == "succeeded" or may_wait, f"{job.kind} {job.effect} is {job.status}")


def each_event_causes_its_jobs_once(evidence: Evidence) -> Verdicts:
    """The policies, called again with the whole log, want the jobs that there are."""
    if evidence.work is None:
        return
    yield holds(evidence.work.quarantined == 0, f"policies leave out {evidence.work.quarantined} streams")
    wanted = Counter((job.kind, job.effect_key) for job in _jobs_of_policies(evidence.log))
    kinds = {kind for kind, _ in wanted}
    kept = Counter((job.kind, job.effect) for job in evidence.work.jobs if job.kind in kinds)
    for kind, effect in wanted.keys() | kept.keys():
        count, due = kept[kind, effect], wanted[kind, effect]
        yield holds(count == due, f"{count} jobs {kind} {effect} where {due} should be")


def jobs_write_what_was_asked_for(evidence: Evidence) -> Verdicts:
    """Events of jobs are of these kinds, and accounts are opened for which there was a request."""
    if evidence.work is None:
        return
    asked = _requests(evidence, "register")
    for event in evidence.log:
        if event.attempt == WORKER:
            yield holds(isinstance(event.data, BY_JOBS), f"a job wrote {event.topic} at {event.position}")
            if isinstance(event.data, User.Registered):
                known = event.data.email.lower() in asked
                yield holds(known, f"the account at {event.position} was asked for by no one")


def each_confirmed_account_can_log_in(evidence: Evidence) -> Verdicts:
    """With its password, and with no other."""
    if evidence.work is None:
        return
    opened = set()
    for login in evidence.ledger.logins:
        right = login.status == 200
        opened |= {login.email} if right else set()
        yield holds(right == login.is_right, f"{login.email} logged in and got {login.status}")
    digests = {
        event.data.token_digest: stream[0].data.email.lower()
        for stream in _users(evidence).values()
        for event in stream
        if isinstance(event.data, User.VerificationRequested | User.PasswordResetRequested)
    }
    for attempt, _ in evidence.ledger.acknowledged():
        if attempt.asked.kind in CONFIRMING:
            address = digests.get(attempt.asked.about)
            yield holds(address in opened, f"{address} is confirmed, and could not log in")


def a_token_works_once(evidence: Evidence) -> Verdicts:
    """Of all requests with one token, those of one key were carried out."""
    if evidence.work is None:
        return
    writers = {event.attempt for event in evidence.log}
    for kind in CONFIRMING:
        for digest, requests in _requests(evidence, kind).items():
            done = sum(any(a.acknowledged or a.asked.attempt in writers for a in attempts) for attempts in requests)
            yield holds(done <= 1, f"the token {digest} worked {done} times")


def _requests(evidence: Evidence, kind: str) -> dict[str, list[list[Attempt]]]:
    """The attempts of each operation of a kind, by what they are about."""
    found: defaultdict[str, list[list[Attempt]]] = defaultdict(list)
    for attempts in evidence.ledger.operations().values():
        if attempts[0].asked.kind == kind:
            found[attempts[0].asked.about].append(attempts)
    return found


def _accepted(requests: list[list[Attempt]]) -> int:
    """How many operations were accepted."""
    return sum(any(attempt.accepted for attempt in attempts) for attempts in requests)


def _accounts(evidence: Evidence) -> dict[str, UUID]:
    """The user with each address, which is in lower case."""
    events = [event for event in evidence.log if isinstance(event.data, User.Registered)]
    return {event.data.email.lower(): event.stream_id for event in events}


def _users(evidence: Evidence) -> dict[UUID, list[Logged]]:
    """The events of each user whose first event is there."""
    streams: defaultdict[UUID, list[Logged]] = defaultdict(list)
    for event in evidence.log:
        if isinstance(event.data, User.Registered) or event.stream_id in streams:
            streams[event.stream_id].append(event)
    return streams


def _template_of(event: Logged) -> MailTemplate | None:
    """The mail about an event. Clients here cause no event with two."""
    return next(iter(TEMPLATES.get(type(event.data), ())), None)


def _effect(template: MailTemplate, event: Logged) -> str:
    """The effect key of the job that sends the mail about an event."""
    return AccountMail(template=template, user_id=event.stream_id, version=event.version).effect_key


def _jobs_of_policies(log: list[Logged]) -> Iterator[Job]:
    """What all policies want, called with the whole log."""
    for policy in POLICIES.values():
        states: dict[UUID, msgspec.Struct | None] = {}
        for event in log:
            if type(event.data) in policy.events:
                key = policy.key(event.data)
                step = react_to(policy, event.data, states.get(key))
                states[key] = step.state
                yield from (each for each in step.reactions if isinstance(each, Job))


CHECKS: list[tuple[int, Check]] = [
    (12, what_was_accepted_is_done),
    (12, each_event_that_asks_for_a_mail_has_it),
    (12, each_mail_is_about_an_event),
    (12, a_mail_comes_again_only_after_a_kill),
    (12, every_job_ends_done),
    (12, each_event_causes_its_jobs_once),
    (0, jobs_write_what_was_asked_for),
    (0, each_confirmed_account_can_log_in),
    (0, a_token_works_once),
]
