-- The write side's schema. Every file in this folder is plain SQL (no psql commands), so that the official
-- Postgres image's init folder and the native launcher run the same bytes, and may be run again at any time.

CREATE TABLE IF NOT EXISTS public.events (
    id                uuid PRIMARY KEY DEFAULT uuidv7(),
    title             text        NOT NULL,
    description       text,
    category          text        NOT NULL,
    status            text        NOT NULL DEFAULT 'draft',
    organizer         text        NOT NULL,
    venue_name        text,
    venue_address     text,
    city              text,
    country           text,
    latitude          double precision,
    longitude         double precision,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz NOT NULL,
    price_min         numeric(12, 2),
    price_max         numeric(12, 2),
    currency          text,
    capacity          integer,
    tickets_available integer,
    tags              text[]      NOT NULL DEFAULT '{}',
    attributes        jsonb       NOT NULL DEFAULT '{}',
    version           bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT events_title_length       CHECK (char_length(title) BETWEEN 1 AND 300),
    CONSTRAINT events_category_length    CHECK (char_length(category) BETWEEN 1 AND 100),
    CONSTRAINT events_organizer_length   CHECK (char_length(organizer) BETWEEN 1 AND 200),
    CONSTRAINT events_venue_length       CHECK (char_length(venue_name) <= 200 AND char_length(venue_address) <= 500),
    CONSTRAINT events_city_length        CHECK (char_length(city) <= 200),
    CONSTRAINT events_status_known       CHECK (status IN ('draft', 'published', 'postponed', 'cancelled', 'sold_out')),
    CONSTRAINT events_country_iso3166    CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT events_currency_iso4217   CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT events_latitude_range     CHECK (latitude BETWEEN -90 AND 90),
    CONSTRAINT events_longitude_range    CHECK (longitude BETWEEN -180 AND 180),
    CONSTRAINT events_position_complete  CHECK ((latitude IS NULL) = (longitude IS NULL)),
    -- the years that RFC 3339 and Elasticsearch's dates can carry; infinity is out too
    CONSTRAINT events_times_range        CHECK (starts_at >= '0001-01-01 00:00:00+00' AND starts_at < '10000-01-01 00:00:00+00'
                                                AND ends_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT events_ends_after_start   CHECK (ends_at > starts_at),
    -- NaN sorts above every number, so an upper bound is what keeps it out
    CONSTRAINT events_price_range        CHECK (price_min BETWEEN 0 AND 9999999999.99 AND price_max BETWEEN 0 AND 9999999999.99),
    CONSTRAINT events_price_order        CHECK (price_min <= price_max),
    CONSTRAINT events_price_complete     CHECK ((price_min IS NULL) = (price_max IS NULL) AND (price_min IS NULL OR currency IS NOT NULL)),
    CONSTRAINT events_capacity_range     CHECK (capacity >= 0),
    CONSTRAINT events_available_range    CHECK (tickets_available >= 0),
    CONSTRAINT events_available_capacity CHECK (tickets_available <= capacity),
    CONSTRAINT events_tags_no_null       CHECK (array_position(tags, NULL) IS NULL AND cardinality(tags) <= 50),
    CONSTRAINT events_attributes_object  CHECK (jsonb_typeof(attributes) = 'object'),
    CONSTRAINT events_version_positive   CHECK (version > 0)
);

-- Without FULL, an update that leaves a large (TOASTed) column alone reaches Kafka with a placeholder in its place.
ALTER TABLE public.events REPLICA IDENTITY FULL;

-- Filters of GET /events; the id makes each one usable for keyset pagination.
CREATE INDEX IF NOT EXISTS events_status_id    ON public.events (status, id);
CREATE INDEX IF NOT EXISTS events_category_id  ON public.events (category, id);
CREATE INDEX IF NOT EXISTS events_city_id      ON public.events (city, id);
CREATE INDEX IF NOT EXISTS events_starts_at_id ON public.events (starts_at, id);

-- version is the row's ETag. The database counts it, so that an update by hand invalidates the tags too.
CREATE OR REPLACE FUNCTION public.events_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER events_touch
    BEFORE UPDATE ON public.events
    FOR EACH ROW EXECUTE FUNCTION public.events_touch();

-- Debezium skips TRUNCATE by default, and its message names no rows. Deleting the rows first puts one ordered
-- delete per row into the log, and a rollback of the TRUNCATE takes them back.
CREATE OR REPLACE FUNCTION public.events_delete_before_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM public.events;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER events_delete_before_truncate
    BEFORE TRUNCATE ON public.events
    FOR EACH STATEMENT EXECUTE FUNCTION public.events_delete_before_truncate();

-- First answers to POST requests that carried an Idempotency-Key. Not part of any publication.
CREATE TABLE IF NOT EXISTS public.idempotency_keys (
    key          text        PRIMARY KEY,
    request_hash bytea       NOT NULL,
    status       integer     NOT NULL,
    headers      jsonb       NOT NULL DEFAULT '{}',
    body         bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_created_at ON public.idempotency_keys (created_at);
