-- Sessions: what a login begins. They are no events, or the streams of users would grow with each of them. The functions
-- in functions/sessions.sql write these tables.

-- In partitions by month: ids are UUIDv7, which begin with the time. A month is dropped as a whole, long after its
-- sessions are over. token_digest: of the current refresh token, previous_digest: of the one before; family_digest: of
-- what all tokens of the session share. client: IP address and user agent, sealed. device: a keyed hash.
CREATE TABLE sessions (
    id              uuid        NOT NULL PRIMARY KEY,
    user_id         uuid        NOT NULL,
    user_version    bigint      NOT NULL,
    address_id      uuid,
    mode            text        NOT NULL,
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz NOT NULL,
    idle_ends_at    timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    family_digest   bytea       NOT NULL,
    token_digest    bytea       NOT NULL,
    previous_digest bytea,
    rotated_at      timestamptz,
    client          bytea,
    device          bytea,
    ended_at        timestamptz,
    ended_why       text
) PARTITION BY RANGE (id);
CREATE INDEX sessions_user ON sessions (user_id);

-- The version of the last event of a user that ended sessions, and whether a session has ever begun. Sessions of one user
-- begin and end in turns, by a lock on this row: of other locks, 10,000 for as many users would not fit into the memory of
-- the server.
CREATE TABLE session_cuts (
    user_id   uuid    NOT NULL PRIMARY KEY,
    version   bigint  NOT NULL,
    has_begun boolean NOT NULL DEFAULT false
);
