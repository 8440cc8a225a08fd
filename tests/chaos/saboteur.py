"""The saboteur: kills one thing after the other, at moments and in an order that follow from the seed."""

import random
import time
from collections import Counter
from collections.abc import Callable

from infra.local.servers.kafka import EmbeddedKafka
from tests.chaos.brokers import Brokers
from tests.chaos.disk import clear, fill
from tests.chaos.house import House, Role
from tests.chaos.work import Kill
from tests.support.roles import frozen

REST_SECONDS = (0.5, 4.0)
DOWN_SECONDS = (0.0, 1.5)
FROZEN_SECONDS = (1.0, 5.0)
ASKS_AGAIN = ("worker", "all workers", "provider")
"""The kills after which a provider may be asked again: all others lose no text."""


class Saboteur:
    """Works from a shuffled deck with one card for each kind of damage, and more for the worst."""

    def __init__(self, house: House, seed: str) -> None:
        self._house = house
        self._random = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.struck: list[Kill] = []
        self._deck: list[str] = []
        self._cards: dict[str, tuple[Callable[[], None], int]] = {
            "API": (self._kill_api, 3),
            "all APIs": (self._kill_all_apis, 1),
            "projector": (self._kill_projector, 3),
            "all projectors": (self._kill_all_projectors, 1),
            "worker": (self._kill_worker, 3),
            "all workers": (self._kill_all_workers, 1),
            "worker stopped": (self._stop_worker, 2),
            "mail server": (self._kill_mail_server, 2),
            "provider": (self._kill_provider, 1),
            "PostgreSQL": (self._kill_postgres, 2),
            "PostgreSQL backend": (house.kill_backend, 1),
            "sealer": (lambda: self._strike(self._random.choice(house.sealers)), 2),
            "all sealers": (lambda: self._strike(*house.sealers), 1),
            "Redis": (self._kill_redis, 1),
            "Redis flushed": (house.flush_redis, 1),
        }
        if house.brokers is not None:
            self._cards = self._stream_cards(house.brokers)

    def _stream_cards(self, brokers: Brokers) -> dict[str, tuple[Callable[[], None], int]]:
        """Where there are brokers, it is what stands around them that is killed."""
        cards: dict[str, tuple[Callable[[], None], int]] = {
            "relay": (lambda: self._strike(self._random.choice(self._house.relays)), 2),
            "all relays": (lambda: self._strike(*self._house.relays), 1),
            "projector": (self._kill_projector, 2),
            "all projectors": (self._kill_all_projectors, 1),
            "worker": (self._kill_worker, 2),
            "PostgreSQL": (self._kill_postgres, 1),
            "broker": (lambda: self._kill_broker(self._one_of(brokers)), 2),
            "broker frozen": (lambda: self._freeze_broker(self._one_of(brokers)), 1),
            "broker's disk full": (lambda: self._fill_disk(self._one_of(brokers)), 1),
        }
        if len(brokers.nodes) > 1:
            cards["partitions reassigned"] = (lambda: brokers.reassign(self._random), 2)
        return cards

    @property
    def kills_that_repeat_mails(self) -> int:
        """The kills so far that may fall between sending a mail and noting it."""
        return sum(
            self.kills[card] for card in ("worker", "all workers", "mail server", "PostgreSQL", "PostgreSQL backend")
        )

    def work(self, seconds: float) -> None:
        """Kill until the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            rest = self._random.uniform(*REST_SECONDS)
            if time.monotonic() + rest >= deadline:
                time.sleep(max(0.0, deadline - time.monotonic()))
                return
            time.sleep(rest)
            card = self._draw()
            began = time.time()
            self._cards[card][0]()
            self.kills[card] += 1
            if card in ASKS_AGAIN:
                self.struck.append(Kill(card, began, time.time()))

    def _draw(self) -> str:
        if not self._deck:
            self._deck = [name for name, (_, count) in self._cards.items() for _ in range(count)]
            self._random.shuffle(self._deck)
        return self._deck.pop()

    def _kill_api(self) -> None:
        self._strike(self._random.choice(self._house.apis))

    def _kill_all_apis(self) -> None:
        self._strike(*self._house.apis)

    def _kill_projector(self) -> None:
        self._strike(self._random.choice(self._house.projectors))

    def _kill_all_projectors(self) -> None:
        self._strike(*self._house.projectors)

    def _kill_worker(self) -> None:
        self._strike(self._random.choice(self._house.workers))

    def _kill_all_workers(self) -> None:
        self._strike(*self._house.workers)

    def _kill_mail_server(self) -> None:
        assert self._house.mail_server is not None
        self._house.mail_server.kill()
        self._pause()
        self._house.mail_server.start()

    def _kill_provider(self) -> None:
        assert self._house.provider is not None
        self._house.provider.kill()
        self._pause()
        self._house.provider.start()

    def _stop_worker(self) -> None:
        """End a worker in order: what it has begun is done, or begun again by another one."""
        worker = self._random.choice(self._house.workers)
        worker.stop()
        worker.start()

    def _strike(self, *roles: Role) -> None:
        for role in roles:
            role.kill()
        self._pause()
        for role in roles:
            role.start()

    def _kill_postgres(self) -> None:
        self._house.kill_postgres()
        self._pause()
        assert self._house.postgres is not None
        self._house.postgres.start()

    def _one_of(self, brokers: Brokers) -> EmbeddedKafka:
        """One of those that serve: while one is on its way back, the others are needed."""
        brokers.settle()
        return self._random.choice(brokers.nodes)

    def _kill_broker(self, broker: EmbeddedKafka) -> None:
        broker.kill()
        self._pause()
        broker.launch()

    def _freeze_broker(self, broker: EmbeddedKafka) -> None:
        with frozen(broker.pid):
            time.sleep(self._random.uniform(*FROZEN_SECONDS))

    def _fill_disk(self, broker: EmbeddedKafka) -> None:
        """The broker ends when it cannot write; with room again it starts from what it has."""
        assert broker.pid
        fill(broker.folder, broker.pid)
        time.sleep(self._random.uniform(*FROZEN_SECONDS))
        clear(broker.folder, broker.pid)
        if not broker.alive():
            broker.launch()

    def _kill_redis(self) -> None:
        assert self._house.redis is not None
        self._house.redis.kill()
        self._pause()
        self._house.redis.start()

    def _pause(self) -> None:
        time.sleep(self._random.uniform(*DOWN_SECONDS))
