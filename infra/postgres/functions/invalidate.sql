-- Makes every process with a cache drop what it holds under these keys. The caller waits after the commit until each of
-- them has done so (infra/postgres/cache_lease.py).
--
-- The lock (LOCK_INVALIDATIONS in infra/postgres/locks.py) ends with the transaction, after its commit is visible: so
-- numbers become visible in order, and a process that has read up to one has missed none before it.
CREATE OR REPLACE FUNCTION invalidate(cache_name text, keys uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE palimpsest.invalidate_lock IN SHARE UPDATE EXCLUSIVE MODE;
    DELETE FROM palimpsest.invalidations WHERE at < now() - interval '1 minute';
    DELETE FROM palimpsest.cache_leases WHERE ends_at < now() - interval '1 minute';
    INSERT INTO palimpsest.invalidations (cache, key) SELECT cache_name, unnest(keys);
    PERFORM pg_notify('palimpsest_invalidated', '');
END $$;
