-- A generation may have several texts: pieces belong to a variant, which their seals name, too. Texts that are being
-- written at that time are lost: their generations are written again.
TRUNCATE partial_texts;
ALTER TABLE partial_texts
    ADD COLUMN variant int NOT NULL CHECK (variant > 0),
    DROP CONSTRAINT partial_texts_pkey,
    ADD PRIMARY KEY (generation_id, attempt, variant, start);
