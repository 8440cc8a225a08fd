"""Who may have seen what: the documents that a person may read, or could read at some time, and what changes that.

Present rights are in `visibility.py`. These queries may name too much, as they only say what to look up there.
"""

EVER_SHARED = """
(c.user_ids @> ARRAY[%(user_id)s]::uuid[] OR c.address_ids @> ARRAY[%(address_id)s]::uuid[])
AND NOT (c.owner_kind = 'user' AND c.owner_id = %(user_id)s)
"""
"""The condition that the document `c` of another owner was at some time shared with the actor."""

TEAMS_EVER = """(
    SELECT r.team_id, r.until IS NULL AS present, coalesce(r.until, greatest(r.position, t.position)) AS position
    FROM read.team_reader r JOIN read.team_reader t ON t.team_id = r.team_id AND t.reader_id = r.team_id
    WHERE r.reader_id = %(user_id)s
)"""
"""The teams whose documents the actor may see, or could at some time, and when that changed."""

EVER_LENT = f"""{TEAMS_EVER} AS m JOIN read.document_change c ON c.lent_teams @> ARRAY[m.team_id]
    LEFT JOIN read.team_reader l ON l.team_id = m.team_id AND l.reader_id = c.owner_id
    LEFT JOIN read.user_profile p ON p.id = c.owner_id"""
"""The documents `c` that were ever lent to such a team `m`, with their owner: as lender `l`, and their account `p`."""

CHANGED_DOCUMENTS = f"""
SELECT c.id, c.position FROM read.document_change c
    WHERE c.owner_kind = 'user' AND c.owner_id = %(user_id)s AND c.position >= %(position)s
UNION ALL SELECT c.id, c.position FROM read.document_change c WHERE {EVER_SHARED} AND c.position >= %(position)s
UNION ALL SELECT c.id, p.position FROM read.document_change c JOIN read.user_profile p ON p.id = c.owner_id
    WHERE {EVER_SHARED} AND c.owner_kind = 'user' AND p.position >= %(position)s
UNION ALL SELECT c.id, c.position FROM {TEAMS_EVER} AS m JOIN read.document_change c ON c.owner_id = m.team_id
    WHERE c.owner_kind = 'team' AND m.present AND c.position >= %(position)s
UNION ALL SELECT c.id, m.position FROM {TEAMS_EVER} AS m JOIN read.document_change c ON c.owner_id = m.team_id
    WHERE c.owner_kind = 'team' AND (m.present OR c.owned_since < m.position) AND m.position >= %(position)s
UNION ALL SELECT c.id, f.until FROM {TEAMS_EVER} AS m
    JOIN read.document_change c ON c.former_teams @> ARRAY[m.team_id],
    LATERAL unnest(c.former_teams, c.former_since, c.former_until) AS f(team_id, since, until)
    WHERE f.team_id = m.team_id AND (m.present OR f.since < m.position) AND f.until >= %(position)s
UNION ALL SELECT c.id, greatest(c.position, l.position, p.position) FROM {EVER_LENT}
    WHERE m.present AND greatest(c.position, l.position, p.position) >= %(position)s
UNION ALL SELECT c.id, m.position FROM {EVER_LENT}
    WHERE (m.present OR c.lent_since[array_position(c.lent_teams, m.team_id)] < m.position)
    AND m.position >= %(position)s
UNION ALL SELECT s.document_id, s.position FROM read.document_star s
    WHERE s.user_id = %(user_id)s AND s.position >= %(position)s
"""  # noqa: S608 - our own words only
"""The documents that the actor may have seen at some time, with the positions, from `position` on, of what changes them
in the actor's list: their own events, those of their owner's account, which may hide them, those that change the role
by a team or end its loans, and the actor's star. Documents that a team got after the actor could see any are not among
them."""
