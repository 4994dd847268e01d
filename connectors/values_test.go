package main

// valuesRecording has the values at the ends of each type, and types made of others. What reads the table instead of
// the messages must come to the same documents, and is held against these.
func valuesRecording() recording {
	return recording{
		name:   "values",
		about:  "Another table in place of init-sql's: precisions, domains, arrays, and the values at the ends of types.",
		before: []string{valuesTable, valuesRow("1")},
		steps: []step{
			{want: []message{created("values-snapshot", "a value of each type, read by the initial snapshot: differs from the streamed one in money's zeros, and has the generated columns")}},
			{sql: "UPDATE debezium_heartbeat SET at = now();"},
			{sql: valuesRow("11"), want: []message{created("values", "a value of each type, streamed: no generated columns; nothing of box, pg_lsn and some arrays")}},
			{sql: valuesEmpty, want: []message{created("values-empty", "zeros, empty texts and arrays, midnight, 1970")}},
			{sql: valuesNegative, want: []message{created("values-negative", "before 1970, before Christ, negative parts of intervals, negative zero")}},
			{sql: valuesLarge, want: []message{created("values-large", "years of five digits, large numbers")}},
			{sql: valuesLast, want: []message{created("values-last", "the last moment of a day, and the one after it")}},
			{sql: valuesFloats, want: []message{created("values-floats", "floating point numbers where Java changes its way of writing")}},
			{sql: valuesSpecial, want: []message{created("values-special", "numeric: POSITIVE_INFINITY; an infinite interval as an empty one")}},
			{sql: valuesSpecialArrays, want: []message{created("values-special-arrays", "an infinite date in an array is another number than outside; infinity in a numeric[] makes it null")}},
			{sql: valuesNulls, want: []message{created("values-nulls", "null elements: an enum's make the whole array null")}},
			{
				sql:  "INSERT INTO events (id, i, j) VALUES (20, '1 year -1 month 36 hours -0.5 seconds', E'{\\n \"a\" : 1.10,\\r\\n \"b\": \"\\\\u00e9\"}');",
				want: []message{created("values-json", "json keeps its white space")},
			},
		},
	}
}

const valuesTable = `DROP TABLE events CASCADE;
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN a_text AS text; CREATE DOMAIN an_integer AS integer; CREATE DOMAIN a_numeric AS numeric(10, 2); CREATE DOMAIN a_timestamptz AS timestamptz(3);
CREATE DOMAIN a_timestamp AS timestamp(3); CREATE DOMAIN a_narrower_timestamp AS a_timestamp CHECK (VALUE > '2000-01-01'); CREATE DOMAIN a_jsonb AS jsonb;
CREATE DOMAIN some_texts AS text[]; CREATE DOMAIN a_char AS char(3); CREATE DOMAIN a_bit AS bit(1); CREATE DOMAIN a_uuid AS uuid; CREATE DOMAIN a_time AS time(0);
CREATE TABLE events (
    id bigint PRIMARY KEY, r real, d double precision, n numeric, n_2 numeric(12, 2), m money, c char(3), ci citext, "quoted ""column"" ü" text,
    t time, t_0 time(0), t_3 time(3), t_4 time(4), tz timetz, tz_0 timetz(0), ts timestamp, ts_0 timestamp(0), ts_3 timestamp(3), ts_4 timestamp(4),
    tstz timestamptz, tstz_0 timestamptz(0), tstz_1 timestamptz(1), tstz_3 timestamptz(3), dt date, i interval, i_3 interval(3),
    b bytea, bit_1 bit(1), bit_12 bit(12), vb varbit, vb_20 varbit(20), ip inet, net cidr, mac macaddr, mac8 macaddr8, x xml, o oid, tsv tsvector,
    r8 int8range, nr numrange, tsr tsrange, tstzr tstzrange, dr daterange, p point, j json, jb jsonb,
    of_text a_text, of_integer an_integer, of_numeric a_numeric, of_timestamptz a_timestamptz, of_timestamp a_timestamp, of_narrower_timestamp a_narrower_timestamp,
    of_jsonb a_jsonb, of_texts some_texts, of_char a_char, of_bit a_bit, of_uuid a_uuid, of_time a_time,
    texts text[], varchars varchar(5)[], chars char(3)[], cis citext[], int2s int2[], int8s int8[], oids oid[], numerics numeric[], numerics_2 numeric(10, 2)[],
    booleans boolean[], reals real[], doubles double precision[], uuids uuid[], tstzs timestamptz[], tstzs_3 timestamptz(3)[], tstzs_0 timestamptz(0)[],
    tss timestamp[], tss_3 timestamp(3)[], dates date[], jsons json[], byteas bytea[], moods mood[],
    is_box box, is_lsn pg_lsn, is_circle circle, is_line line, is_lseg lseg, is_path path, is_polygon polygon, is_tsquery tsquery,
    domains a_text[], intervals interval[], moneys money[], xmls xml[], names name[], points point[],
    stored text GENERATED ALWAYS AS (c::text || '!') STORED, virtual text GENERATED ALWAYS AS (c::text || '!') VIRTUAL, last text);
ALTER PUBLICATION ticketing ADD TABLE events;
GRANT SELECT ON events TO debezium;`

func valuesRow(id string) string {
	return `INSERT INTO events (id, r, d, n, n_2, m, c, ci, "quoted ""column"" ü", t, t_0, t_3, t_4, tz, tz_0, ts, ts_0, ts_3, ts_4, tstz, tstz_0, tstz_1, tstz_3, dt, i, i_3,
    b, bit_1, bit_12, vb, vb_20, ip, net, mac, mac8, x, o, tsv, r8, nr, tsr, tstzr, dr, p, j, jb,
    of_text, of_integer, of_numeric, of_timestamptz, of_timestamp, of_narrower_timestamp, of_jsonb, of_texts, of_char, of_bit, of_uuid, of_time,
    texts, varchars, chars, cis, int2s, int8s, oids, numerics, numerics_2, booleans, reals, doubles, uuids, tstzs, tstzs_3, tstzs_0, tss, tss_3, dates, jsons, byteas, moods,
    is_box, is_lsn, is_circle, is_line, is_lseg, is_path, is_polygon, is_tsquery, domains, intervals, moneys, xmls, names, points) VALUES (` + id + `,
    16777216, 1e22, -0.10, -5.1, '-1234.5', 'a', 'CiText', 'q', '04:05:06.12', '04:05:06', '04:05:06.1', '04:05:06.1234', '04:05:06.12+02', '04:05:06-03:30',
    '2026-02-03 04:05:06.1', '2026-02-03 04:05:06', '2026-02-03 04:05:06.1', '2026-02-03 04:05:06.1234', '2026-02-03 04:05:06.1+00', '2026-02-03 04:05:06Z', '2026-02-03 04:05:06.1Z', '2026-02-03 04:05:06Z',
    '1969-12-31', '-1 year 3 days -04:05:06.789', '1 mon -1 day 00:00:01.5', '\x00ff', '1', '000100000001', '0000000000000011', '00000000000000000001',
    '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '<a>é</a>', 4294967295, 'fat cat:3A', '[1,5)', '[1.10,)',
    '["2026-02-03 04:05:06",)', '["2026-02-03 04:05:06Z",)', '[2026-02-03,2026-02-04)', '(1.5,-1e22)', '{"b":1.10, "a":2}', '{"b":1.10, "a":1e3}',
    'text', 7, 1.5, '2026-02-03 04:05:06.12Z', '2026-02-03 04:05:06.1', '2026-02-03 04:05:06.1', '{"a":1.10}', '{a,"b c"}', 'a', '1', '01980000-0000-7000-8000-000000000010', '01:02:03',
    '{a,"b\"c",NULL,"NULL"," x ","{","a,b","","\\"}', '{abc}', '{a,bc}', '{Ab,c}', '{-1,NULL}', '[0:1]={9007199254740993,-5}', '{42}', '{1.10,-2,0.00,NULL}', '{1,2.5}', '{t,f,NULL}',
    '{16777216,0.1}', '{1e22,NaN,Infinity,-Infinity,NULL}', '{01980000-0000-7000-8000-000000000010,NULL}', '{2026-02-03T04:05:06.1Z,NULL,1969-12-31T23:59:59.999999Z}', '{2026-02-03T04:05:06.1Z}', '{2026-02-03T04:05:06Z}',
    '{2026-02-03T04:05:06.1,1969-12-31T23:59:59.5}', '{2026-02-03T04:05:06.1}', '{1969-12-31,NULL,1500-01-01}', '{"{\"a\": 1.10 }"}', '{"\\x00ff"}', '{sad,happy}',
    '(1,1),(0,0)', '0/16B3748', '<(0,0),1>', '{1,1,0}', '[(0,0),(1,1)]', '((0,0),(1,1))', '((0,0),(1,1))', 'fat & cat', '{x}', '{1 day}', '{1.5}', '{<a/>}', '{n}', '{"(1,1)"}');`
}

const valuesEmpty = `INSERT INTO events (id, r, d, n, n_2, m, c, ci, t, t_0, tz, ts, ts_3, tstz, tstz_0, dt, i, b, bit_1, bit_12, vb, x, tsv, nr, p, j, jb, texts, numerics, tstzs, dates, booleans, jsons, doubles, moods) VALUES
(12, 0, 0, 0, 0, '0', '', '', '00:00', '00:00', '00:00+00', '1970-01-01', '1970-01-01', '1970-01-01Z', '1970-01-01Z', '1970-01-01', '0', '', '0', '000000000000', '', '', '', 'empty', '(0,0)', 'null', 'null',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');`

const valuesNegative = `INSERT INTO events (id, r, d, n, m, ts, ts_0, ts_3, tstz, tstz_0, tstz_3, dt, i, tss, tstzs, dates, reals, int2s) VALUES
(13, '-0', '-0', -1e30, '-0.01', '0044-03-15 12:00:00.5 BC', '0044-03-15 12:00:00 BC', '1969-12-31 23:59:59.123', '0044-03-15 12:00:00.5Z BC', '0001-01-01 00:00:00Z BC', '1500-01-01 00:00:00.5Z',
    '0044-03-15 BC', '-14 mons -3 days -00:00:00.000001', '{1900-01-01 00:00:00.5}', '{1900-01-01 00:00:00.5Z}', '{1500-01-01}', '{-0}', '{-32768}');`

const valuesLarge = `INSERT INTO events (id, r, d, n, m, ts, ts_0, tstz, tstz_0, dt, i, o) VALUES
(14, 1.5e-38, 2.2250738585072014e-308, 100000000000000000000.00010000, '92233720368547758.07', '12345-03-15 12:00:00.5', '12345-03-15 12:00:00', '12345-03-15 12:00:00.5Z', '10000-01-01 00:00:00Z', '12345-03-15',
    '178000000 years 2147483647 hours 59 min 59.999999 sec', 0);`

const valuesLast = `INSERT INTO events (id, t, t_0, t_3, tz, ts, tstz) VALUES (15, '23:59:59.999999', '23:59:59', '24:00', '23:59:59.999999-12', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999Z');`

const valuesFloats = `INSERT INTO events (id, reals, doubles) VALUES
(16, '{0.001,0.00099,1e7,9999999,12345678,1e10,3.3e-5,1e-45,0.3333333,2e-3,3.4e38,100,0.1,0.01}',
    '{0.001,0.0001,1e7,9999999.5,12345678.9,5.0e-324,4.35e-322,9007199254740993,0.1,123456789.123,1e21,1e16,1.0e-3,9.999e-4,2.98023223876953125E-8,1e100,1.7976931348623157e308,100,48.2007,-179.9999999,123.456}');`

const valuesSpecial = `INSERT INTO events (id, r, d, n, n_2, dt, ts, ts_3, tstz, i, of_numeric) VALUES
(17, 'NaN', '-Infinity', 'Infinity', 'NaN', '-infinity', 'infinity', '-infinity', '-infinity', 'infinity', 'NaN');`

const valuesSpecialArrays = `INSERT INTO events (id, n, i, numerics, tss, tss_3, tstzs, dates) VALUES
(18, '-Infinity', '-infinity', '{Infinity,1}', '{infinity}', '{-infinity}', '{infinity}', '{infinity,-infinity,2026-01-01}');`

const valuesNulls = `INSERT INTO events (id, moods, chars, jsons, byteas, cis, oids, uuids, texts, dates) VALUES (19, '{NULL,sad}', '{NULL}', '{NULL}', '{NULL,"\\x"}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}');`
