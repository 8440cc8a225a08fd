"""Checks of the registered kinds of jobs before a worker starts: what it would otherwise find out job by job.

A kind without a name or an effect key is refused earlier, when its code is imported (`application.jobs.performs`).
"""

from collections.abc import Collection, Iterator

from application.jobs import PERFORMERS, Job, PerformerRegistration
from infra.errors import SetupError
from infra.jobs.schedules import is_cron


class WrongDeclaration(SetupError):
    """A kind of job cannot be performed as it is declared. The message names each kind and its fault."""


def require_performable(ports: Collection[str], queues: Collection[str]) -> None:
    """Check all kinds against the ports and queues that this process has.

    Raises:
        WrongDeclaration: a kind has an unknown queue, or a wrong schedule, or its performer wants a port that does not
            exist.
    """
    faults = [
        f"{kind.kind}: {fault}"
        for kind, performer in PERFORMERS.items()
        for fault in _faults(kind, performer, ports, queues)
    ]
    if faults:
        raise WrongDeclaration("Jobs cannot be performed:\n" + "\n".join(faults))


def _faults(
    kind: type[Job], performer: PerformerRegistration, ports: Collection[str], queues: Collection[str]
) -> Iterator[str]:
    for port in performer.ports:
        if port not in ports:
            yield f"its performer wants a port '{port}'. There are: {', '.join(sorted(ports))}."
    if kind.queue not in queues:
        yield f"its queue '{kind.queue}' is not served. Add it to PALIMPSEST_JOBS_CONCURRENCY."
    if kind.every is not None:
        if not is_cron(kind.every):
            yield f"'{kind.every}' is not a cron expression of five fields."
        if kind.__struct_fields__:
            yield "it has a schedule, so it can have no fields."
