"""Text records: what the port promises, from memory and from a DNS server that is not ours; then rude servers."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from adapters import dns_records
from adapters.dns_records import DnsTextRecords, NameServer
from application.ports import TextRecords, Unavailable
from tests.support.dns_server import HOST, Zone, dns_server, silent_server
from tests.support.memory_records import MemoryRecords

NAME = "_palimpsest.example.org"


class Publish(Protocol):
    """Publishes text records at a name, each of one string; without texts, the servers of the name fail."""

    def __call__(self, name: str, *texts: str) -> None: ...


@pytest.fixture(params=["memory", "dns"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[TextRecords, Publish]]:
    """What looks up, and what publishes."""
    if request.param == "memory":
        memory = MemoryRecords()

        def keep(name: str, *texts: str) -> None:
            memory.records[name] = [*texts]
            memory.broken |= set() if texts else {name}

        yield memory, keep
        return
    zone = Zone()

    def publish(name: str, *texts: str) -> None:
        zone.records[name] = [[text.encode()] for text in texts]
        zone.broken |= set() if texts else {name}

    with dns_server(zone) as port:
        yield DnsTextRecords([NameServer(HOST, port)]), publish


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def records(zone: Zone) -> Iterator[TextRecords]:
    """The real one, on the server with the zone."""
    with dns_server(zone) as port:
        yield DnsTextRecords([NameServer(HOST, port)])


async def test_the_texts_at_a_name_are_found(pair: tuple[TextRecords, Publish]) -> None:
    records, publish = pair
    publish(NAME, "palimpsest-domain=1")
    assert await records.texts(NAME) == ["palimpsest-domain=1"]
    assert await records.texts(NAME.upper()) == ["palimpsest-domain=1"]


async def test_several_records_are_all_found(pair: tuple[TextRecords, Publish]) -> None:
    records, publish = pair
    publish(NAME, "v=spf1 -all", "palimpsest-domain=1", "näïve")
    assert sorted(await records.texts(NAME)) == ["näïve", "palimpsest-domain=1", "v=spf1 -all"]


async def test_a_name_without_records_has_none(pair: tuple[TextRecords, Publish]) -> None:
    records, publish = pair
    publish(NAME, "palimpsest-domain=1")
    assert await records.texts("_palimpsest.example.com") == []


async def test_servers_that_fail_are_not_taken_for_an_empty_answer(pair: tuple[TextRecords, Publish]) -> None:
    records, publish = pair
    publish(NAME)
    with pytest.raises(Unavailable):
        await records.texts(NAME)


async def test_the_strings_of_a_record_are_joined(zone: Zone, records: TextRecords) -> None:
    """RFC 7208, 3.3: without anything between them."""
    zone.records[NAME] = [[b"palimpsest-", b"domain=", b"1"], [b"a" * 255, b"b" * 255]]
    assert sorted(await records.texts(NAME)) == ["a" * 255 + "b" * 255, "palimpsest-domain=1"]


async def test_an_answer_that_is_too_long_for_udp_is_fetched_by_tcp(zone: Zone, records: TextRecords) -> None:
    zone.records[NAME] = [[f"{number}".encode() * 60] for number in range(100, 180)]
    assert len(await records.texts(NAME)) == 80


async def test_a_name_with_other_records_only_has_none(zone: Zone, records: TextRecords) -> None:
    zone.other[NAME] = "192.0.2.1"
    assert await records.texts(NAME) == []


async def test_bytes_that_are_no_text_are_replaced(zone: Zone, records: TextRecords) -> None:
    zone.records[NAME] = [[b"\xff\xfe"]]
    assert await records.texts(NAME) == ["\ufffd\ufffd"]


@pytest.mark.parametrize("name", [f"{'a' * 64}.example.org", ".".join(["abcdefgh"] * 40)])
async def test_a_name_that_dns_cannot_have_has_no_records(records: TextRecords, name: str) -> None:
    assert await records.texts(name) == []


async def test_the_search_list_of_the_machine_is_not_used(zone: Zone, records: TextRecords) -> None:
    await records.texts("missing")
    assert {*zone.asked} == {"missing"}


async def test_the_next_resolver_is_asked_if_one_is_silent(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_records, "TRY_SECONDS", 0.2)
    zone.records[NAME] = [[b"palimpsest-domain=1"]]
    with silent_server() as silent, dns_server(zone) as port:
        records = DnsTextRecords([NameServer(HOST, silent), NameServer(HOST, port)])
        assert await records.texts(NAME) == ["palimpsest-domain=1"]


async def test_without_an_answer_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_records, "TRY_SECONDS", 0.1)
    monkeypatch.setattr(dns_records, "LOOKUP_SECONDS", 0.3)
    with silent_server() as silent, pytest.raises(Unavailable):
        await DnsTextRecords([NameServer(HOST, silent)]).texts(NAME)
