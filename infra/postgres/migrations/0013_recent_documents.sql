-- The documents that users have viewed last (application/ports/recent_documents.py). They are no events: nothing depends on
-- them, and a view that is lost in a crash does no harm.
CREATE TABLE recent_documents (
    user_id     uuid        NOT NULL,
    document_id uuid        NOT NULL,
    viewed_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, document_id)
);
CREATE INDEX recent_documents_by_time ON recent_documents (user_id, viewed_at, document_id);
