-- Gives each entry of the security log its number (infra/siem/delivery.py). Numbers may have gaps: of entries that were
-- not committed, or are erased.
--
-- The lock (LOCK_SECURITY_NUMBERS in infra/postgres/locks.py) ends with the transaction, after its commit is visible: so
-- numbers become visible in order, and a process that has read up to one has missed none before it.
--
-- SECURITY DEFINER: who may write an entry cannot choose its number, and needs no right to the sequence.
CREATE OR REPLACE FUNCTION number_security_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE palimpsest.security_log_lock IN SHARE UPDATE EXCLUSIVE MODE;
    NEW.number := nextval('palimpsest.security_log_numbers');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER number_security_entry BEFORE INSERT ON security_log
FOR EACH ROW EXECUTE FUNCTION number_security_entry();
