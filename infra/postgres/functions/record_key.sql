-- Records the check value of a key at the first start: the first key of its kind only. Later keys are recorded by
-- rotations (infra/sealing/rotation.py), which only the owner can do.
CREATE OR REPLACE FUNCTION record_key(new_kind text, new_id text, new_check_value bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO palimpsest.keys (kind, id, check_value, state)
    SELECT new_kind, new_id, new_check_value, 'current' WHERE NOT EXISTS (SELECT FROM palimpsest.keys WHERE kind = new_kind)
    ON CONFLICT DO NOTHING
$$;
