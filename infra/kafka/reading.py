"""Topics read from end to end: each partition in its order, all of them in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar

from kafka import KafkaConsumer, TopicPartition

from application.ports import Unavailable

POLL_MS = 200
SILENCE_SECONDS = 30
"""A broker that has records and does not hand them out for so long is not available."""
MOST_WAITING = 10_000
"""Records that are kept of one partition while others are waited for."""
NEAR = 500
"""A place is searched for until it is known up to so many records; they are read in less time than one more look."""


class Record(Protocol):
    """A record as the consumer hands it out."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


PositionOf = Callable[[Record], int | None]
"""Where in the log the record's event stands; None where it does not say."""


def partitions_of(consumer: KafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """The partitions there are of the topics; none of a topic that does not exist."""
    return [TopicPartition(topic, n) for topic in topics for n in sorted(consumer.partitions_for_topic(topic) or ())]


def begin_at(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], first: int, position_of: PositionOf
) -> None:
    """Assign the partitions, each a little before its first record of position `first` or later.

    Positions grow along a partition, but for repeats, after which all that follows comes again: whichever occurrence
    is found, nothing from `first` on is missed.
    """
    begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    if first > 1:
        begins = {place: _search(consumer, place, begins[place], ends[place], first, position_of) for place in begins}
    consumer.assign(partitions)
    for place, offset in begins.items():
        consumer.seek(place, offset)


def _search(
    consumer: KafkaConsumer, place: TopicPartition, low: int, high: int, first: int, position_of: PositionOf
) -> int:
    consumer.assign([place])
    while high - low > NEAR:
        middle = (low + high) // 2
        record = one_at(consumer, place, middle)
        if record is not None and (position_of(record) or 0) < first:
            low = middle
        else:
            high = middle
    return low


def one_at(consumer: KafkaConsumer, place: TopicPartition, offset: int) -> Record | None:
    """The first record at or after the offset; None at the end. The place must be all that is assigned."""
    consumer.seek(place, offset)
    end = consumer.end_offsets([place])[place]
    while consumer.position(place) < end:
        for records in consumer.poll(POLL_MS, max_records=1).values():
            return records[0]  # type: ignore[no-any-return]
    return None


def until(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterator[dict[TopicPartition, list[Record]]]:
    """What is polled until each partition has been read up to its end.

    Raises:
        Unavailable: the broker hands out nothing any more.
    """
    heard_at = monotonic()
    while any(consumer.position(place) < end for place, end in ends.items()):
        if records := consumer.poll(POLL_MS):
            heard_at = monotonic()
            yield records
        elif monotonic() - heard_at > SILENCE_SECONDS:
            raise Unavailable("Kafka")


class Placed(Protocol):
    """What is made of a record."""

    @property
    def position(self) -> int | None:
        """Where in the log its event stands; None: it does not say."""


P = TypeVar("P", bound=Placed)


class Reader(Generic[P]):
    """Hands out the records of several partitions by their positions. `begin_at` must have set the consumer's places.

    `make` is what is kept of a record. `ends` are those of the last `look`: what comes later is read after the next.
    """

    def __init__(self, consumer: KafkaConsumer, make: Callable[[Record], P]) -> None:
        self._consumer = consumer
        self._make = make
        self.places: list[TopicPartition] = sorted(consumer.assignment())
        self._waiting: dict[TopicPartition, deque[P]] = {place: deque() for place in self.places}
        self._heard_at = monotonic()
        self.ends: dict[TopicPartition, int] = {}
        self.look()

    def look(self) -> None:
        """See where the partitions end now."""
        self.ends = self._consumer.end_offsets(self.places)

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
                if waiting or self._consumer.position(place) >= self.ends[place]:
                    pending.discard(place)
            if pending:
                self._fetch()

    def ahead(self, place: TopicPartition) -> Iterator[P]:
        """What follows in one partition, up to its end. Nothing can be read of the others afterwards."""
        self._heard_at = monotonic()
        yield from self._waiting[place]
        self._consumer.pause(*(other for other in self.places if other != place))
        self._consumer.resume(place)
        while self._consumer.position(place) < self.ends[place]:
            for records in self._poll().values():
                yield from map(self._make, records)

    def _fetch(self) -> None:
        paused = self._consumer.paused()
        for place, waiting in self._waiting.items():
            full = len(waiting) > MOST_WAITING
            if full and place not in paused:
                self._consumer.pause(place)
            elif place in paused and not full:
                self._consumer.resume(place)
        for place, records in self._poll().items():
            self._waiting[place].extend(map(self._make, records))

    def _poll(self) -> dict[TopicPartition, list[Record]]:
        records: dict[TopicPartition, list[Record]] = self._consumer.poll(POLL_MS)
        if records:
            self._heard_at = monotonic()
        elif monotonic() - self._heard_at > SILENCE_SECONDS:
            raise Unavailable("Kafka")
        return records


def headers_of(record: Record) -> dict[str, str]:
    """The headers as text; of one that comes twice the last."""
    return {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
