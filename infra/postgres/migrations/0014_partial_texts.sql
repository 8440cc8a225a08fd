-- Texts that are being written (application/ports/partial_texts.py): a piece of an attempt's text from the code point `start`
-- on, sealed under the data key of the generation. Rows go with the end of the generation, and with the erasure of its key;
-- what a lost worker has left, a job deletes.
CREATE TABLE partial_texts (
    generation_id uuid        NOT NULL,
    attempt       int         NOT NULL CHECK (attempt > 0),
    start         int         NOT NULL CHECK (start >= 0),
    sealed        bytea       NOT NULL,
    kept_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (generation_id, attempt, start)
);
CREATE INDEX partial_texts_by_age ON partial_texts (kept_at);
