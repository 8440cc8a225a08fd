"""The invariants as pure checks of the evidence.

Those of jobs, generations and the signed log are in `invariants_of_*.py`.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Party
from domain.teams.team import Team
from tests.chaos import invariants_of_checkpoints, invariants_of_generation, invariants_of_work
from tests.chaos.evidence import SETUP, WORKER, Evidence, Logged
from tests.chaos.ledger import Attempt
from tests.chaos.verdicts import Check, Verdicts, holds

FREE_DOCUMENTS = 5
PAID = ("pro", "enterprise")
MAY_BE_NO_NEWS = ("trash", "untrash", "restore version")
"""What may find everything as it is wanted, and then writes nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `invariant`: its number in the architecture; 0: what must hold of every service."""

    invariant: int
    words: str
    examined: int
    violations: list[str]


def judge(evidence: Evidence) -> list[Finding]:
    """Run all checks."""
    findings = []
    for invariant, check in CHECKS:
        verdicts = list(check(evidence))
        words = check.__name__.replace("_", " ")
        findings.append(Finding(invariant, words, len(verdicts), [each for each in verdicts if each is not True]))
    return findings


def what_was_acknowledged_is_in_the_log(evidence: Evidence) -> Verdicts:
    """What was answered was written by that very request, and its last event is at the acknowledged position."""
    by_tag: dict[tuple[UUID | None, str], list[Logged]] = defaultdict(list)
    streams: dict[UUID | None, list[Logged]] = defaultdict(list)
    for event in evidence.log:
        streams[event.stream_id].append(event)
        if event.shown is not None:
            by_tag[event.stream_id, event.shown.tag].append(event)
    last = {event.attempt: event.position for event in evidence.log}
    attempts = _attempts_by_operation(evidence)
    for attempt, answer in evidence.ledger.acknowledged():
        name = f"{attempt.asked.kind} {attempt.asked.operation} at {answer.position}"
        if answer.stream_id is None:
            written = max((last.get(each, 0) for each in attempts[attempt.asked.operation]), default=0)
            yield holds(written == answer.position, f"{name}: its last event is at {written}")
            continue
        events = by_tag[answer.stream_id, answer.tag]
        own = [event for event in events if event.attempt in attempts[attempt.asked.operation]]
        if not events:
            yield f"{name} is lost"
        elif own:
            yield holds(last[own[-1].attempt] == answer.position, f"{name} is at {last[own[-1].attempt]} now")
        elif attempt.asked.kind in MAY_BE_NO_NEWS:
            # Several events may show one tag.
            shown = _tag_at(streams[answer.stream_id], answer.position or 0)
            yield holds(shown == answer.tag, f"{name}: the log shows {shown} there")
        else:
            yield f"{name}: that version is another request's now"


def acknowledged_answers_follow_from_the_log(evidence: Evidence) -> Verdicts:
    """The log, replayed to the acknowledged version, gives the acknowledged answer, byte for byte."""
    bodies = evidence.bodies()
    for attempt, answer in evidence.ledger.acknowledged():
        if answer.stream_id is not None and answer.version is not None:
            replayed = bodies.get((answer.stream_id, answer.tag))
            yield holds(
                replayed == answer.body, f"{attempt.asked.kind} {attempt.asked.operation}: the log says otherwise"
            )


def what_was_refused_is_not_in_the_log(evidence: Evidence) -> Verdicts:
    """An answer that says that nothing was done is true; and no event is in the log without a request."""
    writers = {event.attempt for event in evidence.log}
    for attempt in evidence.ledger.attempts.values():
        if attempt.nothing_done:
            written = attempt.asked.attempt in writers
            yield holds(not written, f"{attempt.asked.kind} {attempt.asked.operation} was refused, and written")
    for unknown in writers - evidence.ledger.attempts.keys() - {SETUP, WORKER}:
        yield f"events of {unknown}, which no client has sent"


def positions_have_no_gaps(evidence: Evidence) -> Verdicts:
    for expected, event in enumerate(evidence.log, 1):
        yield holds(event.position == expected, f"position {event.position} stands where {expected} should")


def versions_have_no_gaps(evidence: Evidence) -> Verdicts:
    latest: dict[UUID, int] = defaultdict(int)
    for event in evidence.log:
        due = latest[event.stream_id] + 1
        latest[event.stream_id] = event.version
        yield holds(event.version == due, f"{event.stream_id}: version {event.version} where {due} should be")


def each_expected_version_has_one_winner(evidence: Evidence) -> Verdicts:
    """Of the requests to change the same version, one was carried out, and its first event is the next version."""
    first: dict[tuple[UUID, UUID], int] = {}
    for event in evidence.log:
        first.setdefault((event.attempt, event.stream_id), event.api_version)
    winners: dict[tuple[UUID | None, int], set[str]] = defaultdict(set)
    for operation, attempts in evidence.ledger.operations().items():
        for attempt in attempts:
            asked = attempt.asked
            version = first.get((asked.attempt, asked.stream_id)) if asked.stream_id else None
            if asked.expected is not None and (version is not None or attempt.acknowledged):
                winners[asked.stream_id, asked.expected].add(operation)
                if version is not None:
                    yield holds(version == asked.expected + 1, f"{operation} wrote {version} on {asked.expected}")
    for (stream_id, version), operations in winners.items():
        yield holds(len(operations) == 1, f"{stream_id} at {version} was changed by {len(operations)}")


def what_is_unique_has_one_holder(evidence: Evidence) -> Verdicts:
    """Email addresses and teams' slugs."""
    holders: Counter[tuple[str, str]] = Counter()
    for event in evidence.log:
        match event.data:
            case User.Registered(email=value):
                holders["email", value.lower()] += 1
            case Team.Founded(slug=value):
                holders["slug", value] += 1
    for (kind, value), count in holders.items():
        yield holds(count == 1, f"{count} hold the {kind} {value}")


def a_feed_shows_every_event_once_in_order(evidence: Evidence) -> Verdicts:
    logged = [(event.position, event.stream_id, event.version, event.topic) for event in evidence.log]
    fed = [(event.position, event.stream_id, event.version, event.topic) for event in evidence.fed]
    for shown, stands in zip_longest(fed, logged):
        yield holds(shown == stands, f"the feed shows {shown} where {stands} is due")


def read_models_count_every_event_once(evidence: Evidence) -> Verdicts:
    """Versions and counts as they follow from the log by another way than the read models' own."""
    yield holds(evidence.quarantined == 0, f"{evidence.quarantined} streams are in quarantine")
    last = {event.stream_id: event.api_version for event in evidence.log}
    for name in ("document", "user_profile", "subscription", "team"):
        for row in evidence.live[name]:
            yield holds(row["version"] == last.get(row["id"]), f"{name} {row['id']} is at {row['version']}")
    for name, first in FIRST.items():
        begun = {event.stream_id for event in evidence.log if isinstance(event.data, first)}
        yield holds(begun == {row["id"] for row in evidence.live[name]}, f"{name} has other rows than the log streams")
    saves = Counter(event.stream_id for event in evidence.log if isinstance(event.data, SAVES))
    yield holds(saves == Counter(row["document_id"] for row in evidence.live["document_version"]), "versions differ")
    used = dict(_in_force(evidence.log))
    for row in evidence.live["subscription"]:
        yield holds(row["used"] == used.get(row["id"], 0), f"subscription {row['id']} counts {row['used']} documents")


def rebuilt_read_models_equal_live_ones(evidence: Evidence) -> Verdicts:
    if evidence.rebuilt is None:
        return
    for name in evidence.live.keys() | evidence.rebuilt.keys():
        live, rebuilt = evidence.live.get(name, []), evidence.rebuilt.get(name, [])
        yield holds(len(live) == len(rebuilt), f"{name} has {len(live)} rows live and {len(rebuilt)} rebuilt")
        for one, other in zip(live, rebuilt, strict=False):
            yield holds(one == other, f"{name}: a row is {_differing(one, other)}")


def a_key_has_one_effect_and_one_answer(evidence: Evidence) -> Verdicts:
    """Of all requests with one key, one wrote; all that were answered were answered alike; another wish was refused."""
    writers = {event.attempt for event in evidence.log}
    for operation, attempts in evidence.ledger.operations().items():
        wish = attempts[0].asked.request
        alike = [attempt for attempt in attempts if attempt.asked.request == wish]
        wrote = sum(attempt.asked.attempt in writers for attempt in attempts)
        answers = {_said(attempt) for attempt in alike if attempt.acknowledged or attempt.refused}
        is_asked = alike[0].asked.kind in invariants_of_generation.ASKS
        done = any(attempt.acknowledged or (is_asked and attempt.accepted) for attempt in alike)
        if wrote > 1:
            yield f"{operation} was done {wrote} times"
        elif len(answers) > 1:
            yield f"{operation} was answered in {len(answers)} ways"
        elif any(attempt.acknowledged for attempt in attempts if attempt.asked.request != wish):
            yield f"{operation} answered another wish"
        elif alike[0].asked.kind not in MAY_BE_NO_NEWS:
            yield holds(wrote == done, f"{operation} was {'not ' * (not done)}acknowledged, and done {wrote} times")


def reads_are_no_older_than_their_token(evidence: Evidence) -> Verdicts:
    """What a read showed had all that the log has of it up to the token, unless the answer said that it lags."""
    versions: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for event in evidence.log:
        versions[event.stream_id].append((event.position, event.api_version))
    trashed = {event.stream_id for event in evidence.log if isinstance(event.data, Document.Trashed)}
    for saw in evidence.ledger.saw:
        may_be_hidden = saw.what == "list" and saw.version is None and saw.stream_id in trashed
        if saw.lag == 0 and not may_be_hidden:
            least = max((version for at, version in versions[saw.stream_id] if at <= saw.token), default=0)
            yield holds((saw.version or 0) >= least, f"{saw.what} {saw.stream_id}: {saw.version} at {saw.token}")


def reads_show_what_the_log_says(evidence: Evidence) -> Verdicts:
    """A thing as it was read, at whatever version, is the thing as the log has it, byte for byte."""
    bodies = evidence.bodies()
    for saw in evidence.ledger.saw:
        if saw.whole and saw.version is not None:
            known = bodies.get((saw.stream_id, saw.tag))
            yield holds(known == saw.body, f"{saw.what} {saw.stream_id} at {saw.version}: the log says otherwise")


def quotas_are_never_exceeded(evidence: Evidence) -> Verdicts:
    """No user on the free plan ever has more of a month's documents than it allows, and each was counted."""
    paying: dict[UUID, bool] = {}
    in_force: dict[UUID, set[UUID]] = defaultdict(set)
    counted: set[UUID] = set()
    month: dict[UUID, str] = {}
    owned: dict[UUID, set[UUID]] = defaultdict(set)
    for event in evidence.log:
        stream_id = event.stream_id
        match event.data:
            case Subscription.Started(plan=plan) | Subscription.PlanChanged(plan=plan):
                paying[stream_id] = plan in PAID
            case Subscription.Cancelled():
                paying[stream_id] = False
            case Subscription.QuotaUsed(document_id=document_id, month=now):
                if month.get(stream_id) != now:
                    month[stream_id], in_force[stream_id] = now, set()
                in_force[stream_id].add(document_id)
                counted.add(document_id)
                many = len(in_force[stream_id])
                yield holds(many <= FREE_DOCUMENTS or paying[stream_id], f"{stream_id} has {many} at {event.position}")
            case Subscription.QuotaReleased(document_id=document_id):
                in_force[stream_id].discard(document_id)
            case Document.Created(owner_kind=kind, owner_id=id):
                subscription_id = Subscription.id_of(Party(kind, id))
                if not paying.get(subscription_id):
                    owned[subscription_id].add(stream_id)
    for stream_id, documents in owned.items():
        uncounted = documents - counted
        yield holds(not uncounted, f"{stream_id} has {len(uncounted)} documents that were not counted")


def every_operation_came_to_an_end(evidence: Evidence) -> Verdicts:
    """Once everything ran again, each request without an answer got one."""
    for operation, attempts in evidence.ledger.operations().items():
        settled = any(attempt.acknowledged or attempt.accepted or attempt.refused for attempt in attempts)
        yield holds(settled, f"{attempts[0].asked.kind} {operation} has no answer after {len(attempts)} requests")


def every_error_is_a_problem_and_none_is_ours(evidence: Evidence) -> Verdicts:
    """No answer without a problem's form, none with 500, none that never came."""
    for attempt in evidence.ledger.attempts.values():
        if attempt.answered is not None and attempt.answered.status:
            yield True
    for fault in evidence.ledger.faults:
        yield f"{fault.what}: {fault.words}"


SAVES = (Document.Created, Document.Saved)
FIRST: dict[str, type[Any]] = {"document": Document.Created, "user_profile": User.Registered, "team": Team.Founded}

CHECKS: list[tuple[int, Check]] = [
    (1, what_was_acknowledged_is_in_the_log),
    (1, acknowledged_answers_follow_from_the_log),
    (1, what_was_refused_is_not_in_the_log),
    (2, positions_have_no_gaps),
    (2, versions_have_no_gaps),
    (2, each_expected_version_has_one_winner),
    (2, what_is_unique_has_one_holder),
    (3, a_feed_shows_every_event_once_in_order),
    (3, read_models_count_every_event_once),
    (4, rebuilt_read_models_equal_live_ones),
    (6, a_key_has_one_effect_and_one_answer),
    (7, reads_are_no_older_than_their_token),
    (7, reads_show_what_the_log_says),
    (8, quotas_are_never_exceeded),
    *invariants_of_work.CHECKS,
    *invariants_of_generation.CHECKS,
    *invariants_of_checkpoints.CHECKS,
    (0, every_operation_came_to_an_end),
    (0, every_error_is_a_problem_and_none_is_ours),
]


def _attempts_by_operation(evidence: Evidence) -> dict[str, set[UUID]]:
    operations = evidence.ledger.operations().items()
    return {operation: {attempt.asked.attempt for attempt in attempts} for operation, attempts in operations}


def _tag_at(stream: Sequence[Logged], position: int) -> str | None:
    """The tag that the last event at or before the position shows."""
    before = bisect_right(stream, position, key=lambda event: event.position)
    shown = stream[before - 1].shown if before else None
    return None if shown is None else shown.tag


def _said(attempt: Attempt) -> tuple[object, ...]:
    answer = attempt.acknowledged
    return ("refused",) if answer is None else (answer.stream_id, answer.version, answer.position, answer.body)


def _in_force(log: Iterable[Logged]) -> Iterator[tuple[UUID, int]]:
    """How many documents each subscription counts in its latest month."""
    counts: Counter[UUID] = Counter()
    months: dict[UUID, str] = {}
    for event in log:
        match event.data:
            case Subscription.QuotaUsed(month=month):
                if months.get(event.stream_id) != month:
                    months[event.stream_id], counts[event.stream_id] = month, 0
                counts[event.stream_id] += 1
            case Subscription.QuotaReleased():
                counts[event.stream_id] -= 1
    yield from counts.items()


def _differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Where the rows differ, without what they say."""
    return ", ".join(name for name in one if one[name] != other.get(name)) + " unlike"
