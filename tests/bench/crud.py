"""The peer of the API: documents in one table, with FastAPI, SQLAlchemy and asyncpg, and without anything else.

No token, no idempotency, no quota, no history. It is tuned as far as its documentation goes: a pool of 8 connections
that stay open, objects that are not read again after a commit, no access log; and it gets the settings of our server
and of our garbage collector, which do it good too.
"""

import gc
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import uvicorn
import uvloop
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

URL, PORT = "CRUD_DATABASE_URL", "CRUD_PORT"
CREATE = """
CREATE TABLE documents (
    id uuid PRIMARY KEY, owner_id uuid NOT NULL, title text NOT NULL, content text NOT NULL, status text NOT NULL,
    version bigint NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, trashed_at timestamptz
)
"""
OWNER_ID = UUID(int=7)


class Base(DeclarativeBase):
    """Every table."""


class Document(Base):
    """The one table."""

    __tablename__ = "documents"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    title: Mapped[str]
    content: Mapped[str]
    status: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    trashed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class NewDocument(BaseModel):
    """What is sent."""

    title: Annotated[str, Field(min_length=1, max_length=300)]
    content: Annotated[str, Field(max_length=1_000_000)] = ""


class DocumentView(BaseModel):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    owner_id: UUID
    title: str
    content: str
    status: str
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None


def create_app(url: str) -> FastAPI:
    """The app."""
    app = FastAPI()
    engine = create_async_engine(url, pool_size=8, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    Session = Annotated[AsyncSession, Depends(session)]

    @app.post("/v1/documents", status_code=201, response_model=DocumentView)
    async def create_document(body: NewDocument, session: Session) -> Document:
        now = datetime.now(UTC)
        document = Document(
            id=uuid7(),
            owner_id=OWNER_ID,
            title=body.title,
            content=body.content,
            status="draft",
            version=1,
            created_at=now,
            updated_at=now,
            trashed_at=None,
        )
        session.add(document)
        await session.commit()
        return document

    @app.get("/v1/documents/{document_id}", response_model=DocumentView)
    async def get_document(document_id: UUID, session: Session) -> Document:
        document = await session.get(Document, document_id)
        if document is None:
            raise HTTPException(404)
        return document

    @app.get("/health/ready")
    async def ready() -> None:
        return None

    return app


def main() -> None:
    """Serve, as our API does."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(os.environ[URL]),
            port=int(os.environ[PORT]),
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
        )
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(server.serve())


if __name__ == "__main__":
    main()
