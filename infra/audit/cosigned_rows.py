"""The tables of cosignatures, `log_cosignatures`, and of what witnesses said last, `log_witnesses`.

A checkpoint is published with the lines of its witnesses.
"""

ADD = """
INSERT INTO log_cosignatures (size, witness, line, cosigned_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
LAST_SIZE = "SELECT coalesce(max(size), 0) FROM log_cosignatures WHERE witness = %s"
SAY = """
INSERT INTO log_witnesses AS known (witness, refusal, disputed, since) VALUES (%s, %s, %s, clock_timestamp())
ON CONFLICT (witness) DO UPDATE SET refusal = excluded.refusal, disputed = excluded.disputed, since = excluded.since
WHERE (known.refusal, known.disputed) IS DISTINCT FROM (excluded.refusal, excluded.disputed)
"""
SAID = """
SELECT asked.witness, refusal, disputed,
    coalesce((SELECT max(size) FROM log_cosignatures AS kept WHERE kept.witness = asked.witness), 0)
FROM unnest(%s::text[]) AS asked (witness) LEFT JOIN log_witnesses USING (witness)
"""

_WITH_LINES = """
SELECT size, note || coalesce((
    SELECT string_agg(line, '' ORDER BY witness) FROM log_cosignatures AS kept WHERE kept.size = log_checkpoints.size
), '')
FROM log_checkpoints
"""
_LAST = "SELECT size AS last_size, signed_at AS last_signed_at FROM log_checkpoints ORDER BY size DESC LIMIT 1"
PUBLISHED = f"""
WITH last AS ({_LAST}),
cosigned AS (SELECT size, count(*) AS witnesses FROM log_cosignatures GROUP BY size ORDER BY size DESC LIMIT 16)
{_WITH_LINES} WHERE size = coalesce((
    SELECT size FROM cosigned JOIN log_checkpoints AS earlier USING (size), last
    WHERE size >= %s AND earlier.signed_at >= last_signed_at - interval '1 minute'
    ORDER BY witnesses DESC, size DESC LIMIT 1
), (SELECT last_size FROM last))
"""  # noqa: S608
"""The checkpoint to publish: of those of the last minute that cover a position the one that most witnesses have
cosigned; of these the last. Without cosignatures it is the last checkpoint. A minute has about six rounds."""
COSIGNED_BY = f"""
{_WITH_LINES} WHERE size = (
    SELECT size FROM log_cosignatures WHERE size >= %s AND witness = ANY(%s)
    GROUP BY size HAVING count(*) >= %s ORDER BY size DESC LIMIT 1
)
"""  # noqa: S608
"""The last checkpoint that covers a position and that so many of these witnesses have cosigned."""
ALL = """
SELECT size, witness, line, note FROM log_cosignatures LEFT JOIN log_checkpoints USING (size) ORDER BY size, witness
"""
"""Every cosignature, with the checkpoint of its size, if there is one."""
