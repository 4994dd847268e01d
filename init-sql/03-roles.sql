-- One login role per program, each with what it needs and no more:
--   eventapi   reads and writes rows of events
--   debezium   replicates, reads the tables it snapshots, updates its heartbeat row
--   indexer    reads events, for reindex and verify
--
-- Passwords come from settings of the session that runs this file, so that none is committed:
--   PGOPTIONS='-c ticketing.eventapi_password=... -c ticketing.debezium_password=... -c ticketing.indexer_password=...'
-- Running the file again with other settings changes the passwords.

DO $$
DECLARE
    role     text;
    password text;
BEGIN
    FOREACH role IN ARRAY ARRAY['eventapi', 'debezium', 'indexer'] LOOP
        password := current_setting('ticketing.' || role || '_password', true);
        IF coalesce(password, '') = '' THEN
            RAISE EXCEPTION 'no password for role %', role
                USING HINT = format('Set it in PGOPTIONS: -c ticketing.%s_password=...', role);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role, password);
    END LOOP;

    ALTER ROLE debezium REPLICATION;
    -- Reads everything, writes nothing, and never holds a snapshot open for ever.
    ALTER ROLE indexer SET default_transaction_read_only = on;
    ALTER ROLE indexer SET idle_in_transaction_session_timeout = '15min';
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO eventapi, debezium, indexer', current_database());
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO eventapi, debezium, indexer;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.events TO eventapi;
GRANT SELECT, INSERT, DELETE ON public.idempotency_keys TO eventapi;

GRANT SELECT ON public.events, public.debezium_heartbeat TO debezium;
GRANT UPDATE ON public.debezium_heartbeat TO debezium;

GRANT SELECT ON public.events, public.debezium_heartbeat TO indexer;
-- status looks at the heartbeat's age; status and verify at slots and at running transactions of other roles
GRANT pg_monitor TO indexer;
