-- Destroys the data keys of subjects and leaves a receipt for each: that a key was destroyed and when, not whose it was
-- (infra/sealing/receipts.py makes and checks it). A subject without a key gets no row. Deletes what depends on a key:
-- the snapshots and claims of the stream of that id, the answers to requests about it, its entries in the security log, and
-- the list of documents that it has viewed, and the texts that are being written for it. Of its sessions it deletes what
-- still says something: the keyed hashes of the address and of devices. Jobs about them end (erase_jobs.sql).
-- Every process drops its copy of the keys (invalidate.sql).
--
-- Only append_events calls it, in the transaction of the event that says so: no role may execute it.
CREATE OR REPLACE FUNCTION erase_keys(subjects uuid[], moments timestamptz[], receipts bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE palimpsest.data_keys SET wrapped = NULL, erased_at = gone.moment, receipt = gone.receipt
    FROM unnest(subjects, moments, receipts) AS gone(subject, moment, receipt) WHERE subject_id = gone.subject;
    DELETE FROM palimpsest.snapshots WHERE originator_id = ANY (subjects);
    DELETE FROM palimpsest.claims WHERE originator_id = ANY (subjects);
    DELETE FROM palimpsest.idempotency WHERE subject_id = ANY (subjects);
    DELETE FROM palimpsest.security_log WHERE user_id = ANY (subjects);
    DELETE FROM palimpsest.recent_documents WHERE user_id = ANY (subjects);
    DELETE FROM palimpsest.partial_texts WHERE generation_id = ANY (subjects);
    UPDATE palimpsest.sessions SET address_id = NULL, device = NULL, client = NULL WHERE user_id = ANY (subjects);
    PERFORM palimpsest.erase_jobs(subjects);
    PERFORM palimpsest.invalidate('data_keys', subjects);
END $$;
