"""Other documents that a text draws on: as data, at their versions, and only as long as the asker may read them."""

from uuid import UUID

import pytest

from application.content.document import ChangeDocument, CreateDocument, RevokeShare, ShareDocument
from application.generation.generation import CancelGeneration, RetryGeneration
from application.ports import Actor
from application.privacy.erasure import EraseDocument
from domain.generation.refusals import UnusableSources
from domain.generation.sources import MAX_SOURCES, SOURCES_LENGTH, SourceDocument
from domain.kernel import NotFound
from tests.support.studio import Studio


async def river(studio: Studio, by: Actor, *contents: str) -> UUID:
    """A document of somebody, with a version for each of these contents."""
    created = await studio.ask(CreateDocument(title="River", content=contents[0]), by)
    for content in contents[1:]:
        await studio.ask(ChangeDocument(id=created.id, content=content), by)
    return created.id


async def lent(studio: Studio, to: str = "ada@example.org") -> tuple[Actor, UUID]:
    """Bob, and a document of his that Ada may read."""
    bob = await studio.actor("bob@example.org")
    id = await river(studio, bob, "Bob has seen otters.")
    await studio.ask(ShareDocument(id=id, email=to, role="viewer"), bob)
    return bob, id


async def test_their_versions_are_data_of_the_prompt_and_cited() -> None:
    studio = await Studio().open()
    first = await river(studio, studio.ada, "Otters.", "Herons.")
    second = await river(studio, studio.ada, "Reeds.")
    sources = [SourceDocument(first, 1), SourceDocument(second, 1), SourceDocument(first, 2)]
    asked = await studio.ask_for(sources=sources)
    assert asked.sources == sources
    await studio.ask(ChangeDocument(id=second, content="Nothing."), studio.ada)
    await studio.work()
    [prompt] = studio.provider.asked
    text = prompt.messages[1].text
    for number, content in enumerate(("Otters.", "Reeds.", "Herons."), start=1):
        assert f" begin source {number}\n{content}\n" in text
        assert f" begin title of source {number}\nRiver\n" in text
    assert (await studio.generation(asked.id)).sources == sources


async def test_an_earlier_version_of_the_document_itself_is_one() -> None:
    studio = await Studio().open()
    await studio.ask(ChangeDocument(id=studio.document_id, content="Another."), studio.ada)
    await studio.ask_for(sources=[SourceDocument(studio.document_id, 1)])
    await studio.work()
    assert " begin source 1\nThe river.\n" in studio.provider.asked[0].messages[1].text


async def test_they_count_for_the_budget() -> None:
    studio = await Studio().open()
    plain = await studio.ask_for()
    source = await river(studio, studio.ada, "x" * 40_000)
    asked = await studio.ask_for(sources=[SourceDocument(source, 1)])
    assert asked.estimated_tokens > plain.estimated_tokens + 10_000


async def test_the_first_use_of_a_share_may_be_as_a_source() -> None:
    studio = await Studio().open()
    _, id = await lent(studio)
    await studio.ask_for(sources=[SourceDocument(id, 1), SourceDocument(studio.document_id, 1)])
    await studio.work()
    assert "Bob has seen otters." in studio.provider.asked[0].messages[1].text


async def test_a_document_that_the_asker_may_not_read_is_refused_and_nothing_reserved() -> None:
    studio = await Studio().open()
    _, id = await lent(studio, to="eve@example.org")
    before = len(studio.store.log)
    for source in (SourceDocument(id, 1), SourceDocument(UUID(int=1), 1), SourceDocument(studio.document_id, 9)):
        with pytest.raises(NotFound):
            await studio.ask_for(sources=[source])
    assert len(studio.store.log) == before


async def test_a_document_that_was_taken_away_meanwhile_is_not_sent() -> None:
    studio = await Studio().open()
    bob, id = await lent(studio)
    asked = await studio.ask_for(sources=[SourceDocument(id, 1)])
    await studio.ask(RevokeShare(id=id, email="ada@example.org"), bob)
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, studio.provider.asked) == ("failed", "no_access", [])
    assert (await studio.budget()).reserved == {}
    with pytest.raises(NotFound):
        await studio.ask(RetryGeneration(id=asked.id), studio.ada)


async def test_a_document_that_was_erased_meanwhile_is_not_sent() -> None:
    studio = await Studio().open()
    _, id = await lent(studio)
    asked = await studio.ask_for(sources=[SourceDocument(id, 1)])
    await studio.ask(EraseDocument(id=id))
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, studio.provider.asked) == ("failed", "no_access", [])


async def test_another_round_draws_on_the_same_documents() -> None:
    studio = await Studio().open()
    source = await river(studio, studio.ada, "Otters.", "Herons.")
    asked = await studio.ask_for(sources=[SourceDocument(source, 1)])
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert again.estimated_tokens == asked.estimated_tokens
    await studio.work()
    assert " begin source 1\nOtters.\n" in studio.provider.asked[0].messages[1].text


async def test_too_many_and_too_long_ones_are_refused_with_the_numbers_and_nothing_reserved() -> None:
    studio = await Studio().open()
    long = await river(studio, studio.ada, "x" * (SOURCES_LENGTH // 2), "y" * (SOURCES_LENGTH // 2 + 1))
    before = len(studio.store.log)
    many = [SourceDocument(UUID(int=number), 1) for number in range(MAX_SOURCES + 1)]
    with pytest.raises(UnusableSources, match=r"11 documents .* 10 at most"):
        await studio.ask_for(sources=many)
    with pytest.raises(UnusableSources, match="200001 characters together, and 200000 at most"):
        await studio.ask_for(sources=[SourceDocument(long, 1), SourceDocument(long, 2)])
    with pytest.raises(UnusableSources, match="twice"):
        await studio.ask_for(sources=[SourceDocument(long, 1)] * 2)
    assert len(studio.store.log) == before
