-- Cosignatures of witnesses (infra/audit): each says that a checkpoint continues all that its witness has cosigned before.
-- No foreign key: a cosignature of a checkpoint that is not there any more is evidence.
CREATE TABLE log_cosignatures (
    size        bigint      NOT NULL CHECK (size > 0),
    witness     text        NOT NULL,
    line        text        NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (size, witness)
);
CREATE INDEX ON log_cosignatures (witness, size);

-- What came of the last request to each witness, for operators. `refusal`: why it has not cosigned; `disputed`: because it
-- knows another history.
CREATE TABLE log_witnesses (
    witness  text        NOT NULL PRIMARY KEY,
    refusal  text,
    disputed boolean     NOT NULL,
    since    timestamptz NOT NULL
);
