package main

const readmeHead = `# Captured envelopes

Messages of the real Debezium, byte for byte: ` + "`NAME.key.json`" + ` is a message's key and ` + "`NAME.value.json`" + ` its value, as
Kafka held them; ` + "`NAME.headers.json`" + ` its headers, where it has any (an object of name to text). A missing file means
null. Made by ` + "`connectors/capture_test.go`" + ` (with this file) from ` + "`connectors/events.json`" + ` on Debezium 3.5.0.Final,
Postgres 18.6, Kafka 4.3.1; the test also compares them with what Debezium sends today. To make them again:

` + "```" + `
go run ./stack exec --only postgres,kafka,connect -- go test ./connectors -run TestCaptured -capture
` + "```" + `

Every code block below is one transaction.
`

// recordings are the databases that the captured envelopes come from.
func recordings() []recording {
	return []recording{eventsRecording(), typesRecording(), valuesRecording(), unusualRecording()}
}

func eventsRecording() recording {
	return recording{
		name:     "events",
		about:    "The table of init-sql (REPLICA IDENTITY FULL) and the connector of events.json. Its heartbeat comes every second here.",
		settings: map[string]string{"heartbeat.interval.ms": "1000"},
		before:   []string{insertEvents},
		steps: []step{
			{want: []message{
				created("snapshot-first", "initial snapshot, first row"),
				created("snapshot-middle", "initial snapshot, neither first nor last row"),
				created("snapshot-last", "initial snapshot, last row"),
			}},
			{want: []message{{"__debezium-heartbeat.", "heartbeat", "goes to its own topic; has no op"}}},
			{sql: createEvent, want: []message{created("create", "every column has a value")}},
			{
				sql:  "INSERT INTO events (id, title, category, organizer, starts_at, ends_at) VALUES\n('01980000-0000-7000-8000-000000000020', 'Little', 'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z');",
				want: []message{created("create-minimal", "every column that may be null is null")},
			},
			{
				sql:  "UPDATE events SET price_max = 99.90, status = 'sold_out', tickets_available = 0 WHERE id = '01980000-0000-7000-8000-000000000010';",
				want: []message{updated("update", "with the whole row before")},
			},
			{
				sql: "UPDATE events SET title = 'first' WHERE id = '01980000-0000-7000-8000-000000000020';\nUPDATE events SET title = 'second' WHERE id = '01980000-0000-7000-8000-000000000020';",
				want: []message{
					updated("transaction-update-1", "two updates of one row in one transaction: same txId, same first element of sequence, lsn grows"),
					updated("transaction-update-2", "the second of them"),
				},
			},
			{
				sql:  "UPDATE events SET description = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i) WHERE id = '01980000-0000-7000-8000-000000000020';",
				want: []message{updated("", "")},
			},
			{
				sql:  "UPDATE events SET title = 'unchanged TOAST' WHERE id = '01980000-0000-7000-8000-000000000020';",
				want: []message{updated("toast-full", "an unchanged TOASTed description under REPLICA IDENTITY FULL: no placeholder")},
			},
			{
				sql: "UPDATE events SET id = '01980000-0000-7000-8000-000000000021' WHERE id = '01980000-0000-7000-8000-000000000020';",
				want: []message{
					deleted("primary-key-delete", "a changed primary key: the old key's delete; the header names the new key"),
					created("primary-key-create", "a changed primary key: the new key's create, same lsn; the header names the old key"),
				},
			},
			{
				sql: "SELECT pg_logical_emit_message(true, 'other', 'not for us');\nSELECT pg_logical_emit_message(true, 'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');\nUPDATE events SET title = 'traced' WHERE id = '01980000-0000-7000-8000-000000000001';",
				want: []message{
					{".message", "traceparent", "a trace in the log: the only prefix that events.json lets through; same txId as the update"},
					updated("traced-update", "the update of the same transaction"),
				},
			},
			{
				sql:  "DELETE FROM events WHERE id = '01980000-0000-7000-8000-000000000010';",
				want: []message{deleted("delete", "with the whole row before; no tombstone follows")},
			},
			{sql: unicodeEvent, want: []message{created("unicode", "quotes, backslashes, control characters, emoji, line separators, in text, text[] and jsonb")}},
			{
				sql:  "INSERT INTO events (id, title, category, organizer, starts_at, ends_at, description) VALUES\n('01980000-0000-7000-8000-000000000040', 'Big', 'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z', repeat('0123456789abcdef', 65536));",
				want: []message{created("large", "a description of 1 MiB")},
			},
			{
				sql:  "DELETE FROM events WHERE id <> '01980000-0000-7000-8000-000000000021';",
				want: []message{deleted("", ""), deleted("", ""), deleted("", ""), deleted("", ""), deleted("", "")},
			},
			{sql: "TRUNCATE events;", want: []message{deleted("truncate-trigger", "TRUNCATE with the trigger of init-sql: a delete for each row")}},
		},
	}
}

const insertEvents = `INSERT INTO events (id, title, category, organizer, starts_at, ends_at) VALUES
('01980000-0000-7000-8000-000000000001', 'One',   'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z'),
('01980000-0000-7000-8000-000000000002', 'Two',   'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z'),
('01980000-0000-7000-8000-000000000003', 'Three', 'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z');`

const createEvent = `INSERT INTO events (id, title, description, category, status, organizer, venue_name, venue_address, city, country,
    latitude, longitude, starts_at, ends_at, price_min, price_max, currency, capacity, tickets_available, tags, attributes, created_at, updated_at)
VALUES ('01980000-0000-7000-8000-000000000010', 'Winterreise', 'Songs by Schubert.', 'concert', 'published', 'Konzerthaus',
    'Großer Saal', 'Lothringerstraße 20', 'Wien', 'AT', 48.2007, 16.3773, '2026-12-01T19:30:00+01', '2026-12-01T21:00:00.123456+01',
    19.00, 120.50, 'EUR', 1800, 412, '{classical,"song, cycle"}', '{"seats": {"row": 7}, "exact": 9007199254740993.10, "flags": [true, null]}',
    '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.5Z');`

const unicodeEvent = `INSERT INTO events (id, title, category, organizer, starts_at, ends_at, description, tags, attributes) VALUES
('01980000-0000-7000-8000-000000000030', E'"quoted" \\back\\slash', 'c', 'o', '2026-05-01T10:00:00Z', '2026-05-01T11:00:00Z',
    E'line\nfeed\r\ttab \u0001\u001f\u007f \u00e9 e\u0301 \u2028\u2029 \u4e16\u754c \U0001F3AB \U0001F468\u200D\U0001F469\u200D\U0001F467 </script> & <',
    ARRAY[E'a"b', E'c\\d', '', '{}', 'NULL', '🎫'],
    E'{"k\\"ey": "v\\\\al\\nue \\u2028 🎫", "html": "</script>", "empty": "", "": 1}');`

func typesRecording() recording {
	return recording{
		name:   "types",
		about:  "A table of its own in place of init-sql's, with a column of each type and REPLICA IDENTITY DEFAULT.",
		before: []string{typesTable, typesRow("1"), infinityRow("2", ""), infinityRow("3", "-")},
		steps: []step{
			{want: []message{
				created("types-snapshot", "a value of each type, read by the initial snapshot"),
				created("infinity-snapshot", "infinity, read by the initial snapshot: date differs from the streamed one"),
				created("infinity-negative-snapshot", "-infinity, read by the initial snapshot"),
			}},
			{sql: "UPDATE debezium_heartbeat SET at = now();"},
			{sql: typesRow("11"), want: []message{created("types", "a value of each type, streamed")}},
			{
				sql:  "INSERT INTO events (id, not_null_text) VALUES (12, 'x');",
				want: []message{created("types-null", "null in each column, but for those with a default")},
			},
			{
				sql:  "INSERT INTO events (id, not_null_text, text_with_default) VALUES (13, 'x', NULL);",
				want: []message{created("null-despite-default", "a null where the column has a default: would be the default without value.converter.replace.null.with.default=false")},
			},
			{sql: infinityRow("14", ""), want: []message{created("infinity", "infinity in timestamptz, timestamp, date and floats")}},
			{sql: infinityRow("15", "-"), want: []message{created("infinity-negative", "-infinity in the same columns")}},
			{
				sql:  "INSERT INTO events (id, not_null_text, a_bigint, a_numeric, a_numeric_10_2, a_double, a_real) VALUES\n(16, 'x', 9007199254740993, 123456789012345678901234567890.123456789, 12345678.90, 0.1, 0.1);",
				want: []message{created("numerics", "a bigint beyond 2^53, a numeric of 39 digits")},
			},
			{
				sql:  "INSERT INTO events (id, not_null_text, a_bigint, a_numeric, a_numeric_10_2, a_double, a_real) VALUES\n(17, 'x', -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN');",
				want: []message{created("numerics-nan", "NaN: numeric as \"NAN\", floats as \"NaN\"")},
			},
			{
				sql:  "INSERT INTO events (id, not_null_text, a_bigint, a_numeric, a_double, a_real) VALUES\n(18, 'x', 9223372036854775807, 1e-20, 1.7976931348623157e308, 3.4028235e38);",
				want: []message{created("numerics-extreme", "small and large: exponents in numbers, none in numeric strings")},
			},
			{
				sql:  "INSERT INTO events (id, not_null_text, a_numeric_array) VALUES (19, 'x', '{1.10,2}');",
				want: []message{created("numeric-array", "numeric[] as an array of strings")},
			},
			{
				sql:  "INSERT INTO events (id, not_null_text, a_numeric_array) VALUES (22, 'x', '{1.10,NaN}');",
				want: []message{created("numeric-array-nan", "a NaN in a numeric[]: the whole array arrives as null, and nothing says so")},
			},
			{sql: toastRow, want: []message{created("", "")}},
			{
				sql:  "UPDATE events SET an_integer = 2 WHERE id = 20;",
				want: []message{updated("toast", "an unchanged TOASTed value of each type that has one, under REPLICA IDENTITY DEFAULT: placeholders, which differ by type")},
			},
			{
				sql: "UPDATE events SET id = 21 WHERE id = 20;",
				want: []message{
					deleted("toast-primary-key-delete", "the same row's key changes"),
					created("toast-primary-key-create", "a create can have placeholders too"),
				},
			},
			{
				sql:  "DELETE FROM events WHERE id = 11;",
				want: []message{deleted("delete-identity-default", "only the key is real: NOT NULL columns carry a default or an empty value, others null")},
			},
		},
	}
}

const typesTable = `DROP TABLE events CASCADE;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE events (
    id bigint PRIMARY KEY, not_null_integer integer NOT NULL DEFAULT 5, not_null_text text NOT NULL, text_with_default text DEFAULT 'default',
    a_boolean boolean, a_smallint smallint, an_integer integer, a_bigint bigint, a_numeric numeric, a_numeric_10_2 numeric(10, 2),
    a_real real, a_double double precision, a_money money, a_text text, a_varchar varchar, a_char char(5), a_uuid uuid, a_json json, a_jsonb jsonb,
    a_bytea bytea, a_date date, a_time time, a_timetz timetz, a_timestamp timestamp, a_timestamp_3 timestamp(3), a_timestamptz timestamptz,
    a_timestamptz_0 timestamptz(0), an_interval interval, an_inet inet, a_cidr cidr, a_macaddr macaddr, an_enum mood, a_bit bit(3), a_varbit varbit, an_xml xml,
    a_tsvector tsvector, an_int4range int4range, a_point point, an_oid oid,
    a_text_array text[], an_integer_array integer[], a_numeric_array numeric[], a_timestamptz_array timestamptz[], a_uuid_array uuid[], a_jsonb_array jsonb[], an_enum_array mood[],
    a_bigint_array bigint[], a_double_array double precision[], a_boolean_array boolean[], a_timestamp_array timestamp[], a_date_array date[]);
DO $$
DECLARE
    name text;
BEGIN
    -- uncompressed and, from 2 kB on, outside the row
    FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0 AND attstorage IN ('m', 'x') LOOP
        EXECUTE format('ALTER TABLE events ALTER COLUMN %I SET STORAGE EXTERNAL', name);
    END LOOP;
END $$;
ALTER PUBLICATION ticketing ADD TABLE events;
GRANT SELECT ON events TO debezium;`

func typesRow(id string) string {
	return `INSERT INTO events VALUES (` + id + `, 7, 'text', 'other',
    true, -32768, 2147483647, 42, 1.50, 1.50, 0.1, 0.1, '1234.56', 'text', 'varchar', 'ab', '01980000-0000-7000-8000-000000000010', '{"b":1.10, "a":2}', '{"b":1.10, "a":2}',
    '\x00deadbeef', '2026-02-03', '04:05:06.123456', '04:05:06.123456+02', '2026-02-03T04:05:06.123456', '2026-02-03T04:05:06.123', '2026-02-03T04:05:06.123456+02',
    '2026-02-03T04:05:06+02', '1 year 2 months 3 days 04:05:06.789', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', 'happy', '101', '1101', '<a/>',
    'fat cat', '[1,5)', '(1,2)', 42,
    '{a,NULL,"b c","d\"e"}', '{1,NULL}', NULL, '{2026-02-03T04:05:06Z}', '{01980000-0000-7000-8000-000000000010}', ARRAY['{"a":1.10}'::jsonb], '{sad,happy}',
    '{9007199254740993}', '{0.1,NaN}', '{true,NULL}', '{2026-02-03T04:05:06}', '{2026-02-03}');`
}

func infinityRow(id, sign string) string {
	return `INSERT INTO events (id, not_null_text, a_timestamptz, a_timestamp, a_timestamp_3, a_date, a_double, a_real) VALUES
(` + id + `, 'x', '` + sign + `infinity', '` + sign + `infinity', '` + sign + `infinity', '` + sign + `infinity', '` + sign + `Infinity', '` + sign + `Infinity');`
}

const toastRow = `WITH n AS (SELECT generate_series(1, 3000) AS i)
INSERT INTO events (id, not_null_text, an_integer, a_numeric, a_text, a_varchar, a_json, a_jsonb, a_bytea, a_varbit, an_xml, a_tsvector,
    a_text_array, an_integer_array, a_bigint_array, a_double_array, a_boolean_array, a_numeric_array, a_timestamptz_array, a_timestamp_array, a_date_array, a_uuid_array, a_jsonb_array, an_enum_array)
SELECT 20, 'x', 1, ('1' || repeat('0123456789', 900))::numeric, t, t, to_json(t), jsonb_build_object('t', t), decode(t, 'hex'), repeat('10', 20000)::varbit, ('<a>' || t || '</a>')::xml,
    (SELECT array_to_tsvector(array_agg(md5(i::text))) FROM generate_series(1, 300) i), ARRAY[t, t],
    (SELECT array_agg(i) FROM n), (SELECT array_agg(i::bigint) FROM n), (SELECT array_agg(i::float8) FROM n), (SELECT array_agg(i % 2 = 0) FROM n), (SELECT array_agg(i::numeric) FROM n),
    (SELECT array_agg(to_timestamp(i)) FROM n), (SELECT array_agg('2026-01-01'::timestamp + i * interval '1 s') FROM n), (SELECT array_agg('2026-01-01'::date + i) FROM n),
    (SELECT array_agg(md5(i::text)::uuid) FROM n), (SELECT array_agg(to_jsonb(i)) FROM n), (SELECT array_agg('sad'::mood) FROM n)
FROM (SELECT string_agg(md5(i::text), '') AS t FROM generate_series(1, 400) i);`

func unusualRecording() recording {
	return recording{
		name:  "unusual",
		about: "The table of init-sql without its TRUNCATE trigger, and a connector with skipped.operations=none, a signal table and no heartbeat.",
		settings: map[string]string{
			"skipped.operations":     "none",
			"signal.data.collection": "public.debezium_signal",
			"heartbeat.interval.ms":  "0",
		},
		before: []string{
			`DROP TRIGGER events_delete_before_truncate ON events;
CREATE TABLE debezium_signal (id text PRIMARY KEY, type text NOT NULL, data text);
ALTER PUBLICATION ticketing ADD TABLE debezium_signal;
GRANT SELECT, INSERT, UPDATE, DELETE ON debezium_signal TO debezium;`,
			insertEvents,
		},
		steps: []step{
			{want: []message{created("", ""), created("", ""), created("", "")}},
			{
				sql:  "UPDATE events SET title = 'streamed first' WHERE id = '01980000-0000-7000-8000-000000000001';",
				want: []message{updated("first-transaction", "the first streamed transaction: sequence begins with null")},
			},
			{
				sql:  "UPDATE events SET title = 'streamed second' WHERE id = '01980000-0000-7000-8000-000000000001';",
				want: []message{updated("second-transaction", "the one after it")},
			},
			{
				sql: `INSERT INTO debezium_signal VALUES ('1', 'execute-snapshot', '{"type": "incremental", "data-collections": ["public.events"]}');`,
				want: []message{
					created("incremental-snapshot", "read by an incremental snapshot: lsn is null"),
					created("", ""), created("", ""),
				},
			},
			{sql: "TRUNCATE events;", want: []message{{".public.events", "truncate", "names no row, has no key, and is not routed"}}},
		},
	}
}
