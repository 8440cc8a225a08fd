"""The documents that a text draws on. The asker must be able to read them, at the request and when it is performed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from application.content.document import load_document, version_of
from application.ports import Actor, EventStore, Store
from domain.content.document import Document
from domain.generation.sources import SourceDocument, require_short


@dataclass(frozen=True, slots=True)
class SourceText:
    """What a document says at a version."""

    title: str = field(repr=False)
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadSources:
    """Documents that an actor may read, as they are now, and what they say at the versions that are named."""

    documents: Collection[Document]
    texts: Sequence[SourceText]


async def read_sources(
    store: Store, sources: Sequence[SourceDocument], actor: Actor, now: datetime, *, loaded: Document | None = None
) -> ReadSources:
    """Read the documents as an actor. It may be the first use of a share, so save them. `loaded`: is not loaded again.

    Raises:
        NotFound: a document does not exist for the actor, or has no such version.
        VersionHidden: the plan of its owner hides the version.
        UnusableSources: they are too long together.
    """
    documents = {} if loaded is None else {loaded.id: loaded}
    texts = []
    for source in sources:
        if source.document_id not in documents:
            documents[source.document_id] = await load_document(store, source.document_id, "read", actor, now)
        document = documents[source.document_id]
        texts.append(_text_of(await version_of(store, document, source.version, now)))
    require_short([len(text.content) for text in texts])
    return ReadSources(documents.values(), texts)


async def texts_of_sources(events: EventStore, sources: Sequence[SourceDocument]) -> list[SourceText] | None:
    """Return what the documents say, without asking who may read them; None: one of them has been erased."""
    texts = []
    for source in sources:
        document = await events.load(Document, source.document_id)
        if document is None or document.erased:
            return None
        at = await events.load(Document, document.id, version=document.version_of(source.version))
        texts.append(_text_of(document if at is None else at))
    return texts


def _text_of(document: Document) -> SourceText:
    return SourceText(document.title, document.content)
