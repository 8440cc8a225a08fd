-- Numbers the entries of the security log in the order in which they become visible, and keeps up to which of them a SIEM
-- has confirmed (infra/siem). Entries that are there already get numbers, too. `number_security_entry` gives the others.
CREATE TABLE security_log_lock ();
CREATE SEQUENCE security_log_numbers;
ALTER TABLE security_log ADD COLUMN number bigint NOT NULL DEFAULT nextval('security_log_numbers');
ALTER TABLE security_log ALTER COLUMN number DROP DEFAULT;
CREATE INDEX security_log_by_number ON security_log (number);
ALTER TABLE siem_checkpoint ADD COLUMN security_number bigint NOT NULL DEFAULT 0 CHECK (security_number >= 0);
