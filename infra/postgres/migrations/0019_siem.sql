-- The checkpoint of the delivery to a SIEM (infra/siem): its server has confirmed every event up to this position.
CREATE TABLE siem_checkpoint (
    only_row     boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    position     bigint      NOT NULL CHECK (position >= 0),
    confirmed_at timestamptz
);
INSERT INTO siem_checkpoint (position) VALUES (0);
