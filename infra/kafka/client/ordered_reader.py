"""Topics read from end to end: each partition in its order, all of them in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Generic, Protocol, TypeVar

from kafka import KafkaConsumer, TopicPartition

from application.ports import Unavailable
from infra.kafka.client.offset_search import find

POLL_MS = 200
MOST_POLLED = 5_000
SILENCE_SECONDS = 30
"""A broker that has records and does not hand them out for so long is not available."""
LOOK_AGAIN_SECONDS = 0.1
MOST_WAITING = 10_000
"""Records that are kept of one partition while others are waited for."""


class TopicRecord(Protocol):
    """A record as the consumer hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


PositionOf = Callable[[TopicRecord], int | None]
"""Where in the log the record's event stands; None where it does not say."""


def attempts(patience: float) -> Iterator[None]:
    """Turns to look once more: one at once, and others for `patience` seconds."""
    deadline = monotonic() + patience
    yield
    while monotonic() < deadline:
        sleep(LOOK_AGAIN_SECONDS)
        yield


def partitions_of(consumer: KafkaConsumer, topics: Sequence[str], patience: float = 0.0) -> list[TopicPartition]:
    """The partitions there are of the topics. Topics that are not there are waited for, `patience` seconds."""
    found: dict[str, list[int]] = {}
    for _ in attempts(patience):
        found = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in topics}
        if all(found.values()):
            break
    return [TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers]


def begins_of(consumer: KafkaConsumer, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the partitions begin. Raises `Unavailable`."""
    return _asked(consumer.beginning_offsets, places)


def ends_of(consumer: KafkaConsumer, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the partitions end. Raises `Unavailable`."""
    return _asked(consumer.end_offsets, places)


def _asked(
    ask: Callable[[Sequence[TopicPartition]], dict[TopicPartition, int]], places: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    # kafka-python leaves out partitions whose leader it is just learning, and stumbles over them.
    deadline = monotonic() + SILENCE_SECONDS
    while monotonic() < deadline:
        with suppress(KeyError):
            return ask(places)
        sleep(0.05)
    raise Unavailable("Kafka")


def begin_at(consumer: KafkaConsumer, places: Sequence[TopicPartition], first: int, position_of: PositionOf) -> None:
    """Assign the partitions, each at its first record of position `first` or later, or before it.

    Raises:
        Unavailable: the broker hands out nothing.
    """
    begins = begins_of(consumer, places)
    try:
        for place in places if first > 1 else ():
            consumer.assign([place])
            begins[place] = find(consumer, place, first - 1, position_of, SILENCE_SECONDS)
    except TimeoutError:
        raise Unavailable("Kafka") from None
    consumer.assign(places)
    for place, offset in begins.items():
        consumer.seek(place, offset)


def until(
    consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]
) -> Iterator[dict[TopicPartition, list[TopicRecord]]]:
    """What is polled until each partition has been read up to its end.

    Raises:
        Unavailable: the broker hands out nothing any more.
    """
    heard_at = monotonic()
    while any(consumer.position(place) < end for place, end in ends.items()):
        if records := consumer.poll(POLL_MS, max_records=MOST_POLLED):
            heard_at = monotonic()
            yield records
        elif monotonic() - heard_at > SILENCE_SECONDS:
            raise Unavailable("Kafka")


class HasPosition(Protocol):
    """What is made of a record."""

    @property
    def position(self) -> int | None:
        """Where in the log its event stands; None: it does not say."""


P = TypeVar("P", bound=HasPosition)


class OrderedReader(Generic[P]):
    """Hands out the records of several partitions by their positions. `begin_at` must have set the consumer's places.

    `make` is what is kept of a record. `ends` are those of the last `look`: what comes later is read after the next.
    """

    def __init__(self, consumer: KafkaConsumer, make: Callable[[TopicRecord], P]) -> None:
        self._consumer = consumer
        self._make = make
        self.places: list[TopicPartition] = sorted(consumer.assignment())
        self._waiting: dict[TopicPartition, deque[P]] = {place: deque() for place in self.places}
        self._next: dict[TopicPartition, int] = {place: consumer.position(place) for place in self.places}
        self._read = set(self.places)
        self._heard_at = monotonic()
        self.ends: dict[TopicPartition, int] = {}
        self.look()

    def look(self) -> None:
        """See where the partitions end now."""
        self.ends = ends_of(self._consumer, self.places)

    def upto(self, last: int | None = None) -> Iterator[tuple[TopicPartition, P]]:
        """The records up to position `last`, or up to the ends; of each partition in its order.

        A record of a later position stops its partition; one that says no position does not.

        Raises:
            Unavailable: the broker hands out nothing any more.
        """
        pending = set(self.places)
        self._heard_at = monotonic()
        while pending:
            for place in sorted(pending):
                waiting = self._waiting[place]
                while waiting and (last is None or (waiting[0].position or 0) <= last):
                    yield place, waiting.popleft()
                if waiting or self._next[place] >= self.ends[place]:
                    pending.discard(place)
            if pending:
                self._fetch(pending)

    def ahead(self, place: TopicPartition) -> Iterator[P]:
        """What follows in one partition, up to its end. Nothing can be read of the others afterwards."""
        self._heard_at = monotonic()
        yield from self._waiting[place]
        self._turn_to({place})
        while self._next[place] < self.ends[place]:
            yield from map(self._make, self._poll().get(place, ()))

    def _fetch(self, pending: set[TopicPartition]) -> None:
        full = {place for place in self._read - pending if len(self._waiting[place]) > MOST_WAITING}
        if full or not pending <= self._read:
            self._turn_to(pending)
        for place, records in self._poll().items():
            self._waiting[place].extend(map(self._make, records))

    def _turn_to(self, places: set[TopicPartition]) -> None:
        """Read these alone for now. Pausing the others is no way: kafka-python 3.0.12 keeps back for good what it has
        fetched of a partition that is paused and resumed."""
        self._consumer.assign(sorted(places))
        for place in places:
            self._consumer.seek(place, self._next[place])
        self._read = set(places)

    def _poll(self) -> dict[TopicPartition, list[TopicRecord]]:
        records: dict[TopicPartition, list[TopicRecord]] = self._consumer.poll(POLL_MS, max_records=MOST_POLLED)
        for place in self._read:
            self._next[place] = self._consumer.position(place)
        if records:
            self._heard_at = monotonic()
        elif monotonic() - self._heard_at > SILENCE_SECONDS:
            raise Unavailable("Kafka")
        return records


def headers_of(record: TopicRecord) -> dict[str, str]:
    """The headers as text; of one that comes twice the last."""
    return {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
