-- Searches of the log for auditors (infra/audit/search.py): by actor, request, type and time.
--
-- A block range index: for each 64 pages of the log, which are in its order, a filter (Bloom) of the values there. An
-- append pays little for it, 1 or 2 microseconds of a processor: PostgreSQL summarises full ranges in the background, and
-- reads the others row by row. infra/audit/decisions/0005-block-range-index.md has the figures.
--
-- The ids are read from the bytes of an event (infra/store/event_bytes.py) without a conversion.
CREATE INDEX stored_events_search ON stored_events USING brin (
    (CASE WHEN get_byte(substring(state FROM 26 FOR 1) || '\x00', 0) & 1 = 1 THEN substring(state FROM 62 FOR 16) END)
        bytea_bloom_ops,
    (substring(state FROM CASE get_byte(substring(state FROM 26 FOR 1) || '\x00', 0) & 7
        WHEN 4 THEN 62 WHEN 5 THEN 78 WHEN 6 THEN 78 WHEN 7 THEN 94 END FOR 16)) bytea_bloom_ops,
    topic text_bloom_ops,
    recorded_at timestamptz_minmax_ops,
    notification_id int8_minmax_ops
) WITH (pages_per_range = 64, autosummarize = on);
