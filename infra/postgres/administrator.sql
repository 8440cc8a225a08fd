-- What an administrator (a superuser) runs once, connected to the database of Palimpsest; it may be run again. The
-- embedded PostgreSQL runs it at each start. Everything else is done by `palimpsest migrate` as palimpsest_owner.
--
-- Then let the processes log in: either give each role LOGIN and a password, or make one login a member of all of them
-- (GRANT palimpsest_api, palimpsest_projector, palimpsest_relay, palimpsest_worker, palimpsest_sealer,
-- palimpsest_auditor TO a_login).

DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['owner', 'api', 'projector', 'relay', 'worker', 'sealer', 'auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'palimpsest_' || part) THEN
            EXECUTE format('CREATE ROLE %I', 'palimpsest_' || part);
        END IF;
    END LOOP;
    -- The owner grants reading the projector's tables to the API.
    GRANT palimpsest_projector TO palimpsest_owner;
    EXECUTE format('ALTER DATABASE %I OWNER TO palimpsest_owner', current_database());
END $$;

-- PostgreSQL up to 14 lets every role create objects here.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
