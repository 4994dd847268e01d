-- What Debezium needs: a row it may touch while events is quiet, and a publication it does not have to create.

-- A slot holds back the WAL of the whole cluster until Debezium confirms a position, and it confirms only what it
-- has seen in its publication. heartbeat.action.query updates this row so that there is always something to see.
CREATE TABLE IF NOT EXISTS public.debezium_heartbeat (
    id integer     PRIMARY KEY CHECK (id = 1),
    at timestamptz NOT NULL
);
INSERT INTO public.debezium_heartbeat (id, at) VALUES (1, now()) ON CONFLICT (id) DO NOTHING;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'ticketing') THEN
        CREATE PUBLICATION ticketing FOR TABLE public.events, public.debezium_heartbeat;
    END IF;
END $$;
