-- The security log (application/ports/security_log.py): partitions by month in UTC, which keep_security_log makes and drops.
-- No role may change or delete a row: erase_keys deletes those of an erased user, keep_security_log drops old months.
--
-- sealed: the client's address and program, under the data key of the user; NULL: no user, or no client.
-- network: a keyed hash of the client's network and the day, so that attempts of one day can be seen together.
-- count: so many entries alike, within a minute.
CREATE TABLE security_log (
    at         timestamptz NOT NULL,
    id         uuid        NOT NULL,
    user_id    uuid,
    session_id uuid,
    request_id uuid        NOT NULL,
    action     text        NOT NULL,
    outcome    text        NOT NULL CHECK (outcome IN ('done', 'refused')),
    reason     text,
    count      int         NOT NULL CHECK (count > 0),
    network    bytea,
    sealed     bytea,
    PRIMARY KEY (at, id),
    CHECK (sealed IS NULL OR user_id IS NOT NULL)
) PARTITION BY RANGE (at);
CREATE INDEX security_log_by_user ON security_log (user_id, at, id) WHERE user_id IS NOT NULL;
