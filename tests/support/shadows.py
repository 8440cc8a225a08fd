"""Objects that an attacker creates, to take the place of those that our SECURITY DEFINER functions use.

Each of them raises an error when it runs. What the functions use is derived from their text and from the catalogue:
every function and operator of PostgreSQL whose name occurs in a body, and every type of an argument or a column.
Polymorphic ones (`unnest`, `||`) are planted for each of these types: an exact match is preferred.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product

import psycopg

BODIES = """
SELECT prosrc FROM pg_proc WHERE pronamespace = 'palimpsest'::regnamespace AND prosecdef
"""
TYPES = """
SELECT DISTINCT element::regtype::text FROM (
    SELECT coalesce(nullif(typelem, 0), t.oid) AS element FROM (
        SELECT unnest(proargtypes) AS oid FROM pg_proc WHERE pronamespace = 'palimpsest'::regnamespace
        UNION
        SELECT atttypid FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = 'palimpsest'::regnamespace AND relkind = 'r' AND attnum > 0
    ) AS used JOIN pg_type t USING (oid)
) AS elements
"""
FUNCTIONS = """
SELECT proname, proargtypes::regtype[]::text[], CASE WHEN proretset THEN 'SETOF ' ELSE '' END || prorettype::regtype
FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind <> 'p' AND proname = ANY(%s)
"""
OPERATORS = """
SELECT oprname, ARRAY[oprleft::regtype::text, oprright::regtype::text], oprresult::regtype::text
FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b' AND oprname = ANY(%s)
"""
RAISES = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the shadow of %s ran'; END $$"
ARRAYS = ("anyarray", "anycompatiblearray")
ELEMENTS = ("anyelement", "anynonarray", "anycompatible", "anycompatiblenonarray")


def plant(connection: psycopg.Connection, schema: str) -> int:
    """Create everything in the schema, with the rights of the connection's role. Returns the number of objects."""
    connection.execute("SET search_path = pg_catalog")
    statements = list(_statements(connection, schema))
    for statement in statements:
        connection.execute(statement.encode())
    return len(statements)


def casts(connection: psycopg.Connection) -> Iterator[str]:
    """Statements that would replace how one type that is used becomes another."""
    elements = _elements(connection)
    for source, target in product(elements, elements):
        if source != target:
            yield f"CREATE CAST ({source} AS {target}) WITH INOUT AS IMPLICIT"


def _statements(connection: psycopg.Connection, schema: str) -> Iterator[str]:
    bodies = re.sub(r"--.*", "", "\n".join(body for (body,) in connection.execute(BODIES)))
    elements = _elements(connection)
    words, symbols = set(re.findall(r"[a-z_0-9]+", bodies)), set(re.findall(r"[-+*/<>=~!@#%^&|?]+", bodies))
    for name, arguments, result in _concrete(connection, FUNCTIONS, words, elements):
        yield f"CREATE FUNCTION {schema}.{name}({', '.join(arguments)}) RETURNS {result} {RAISES % name}"
    for n, (symbol, arguments, result) in enumerate(_concrete(connection, OPERATORS, symbols, elements)):
        name = f"{schema}.operator_{n}"
        yield f"CREATE FUNCTION {name}({', '.join(arguments)}) RETURNS {result} {RAISES % 'an operator'}"
        left, right = arguments
        yield f"CREATE OPERATOR {schema}.{symbol} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {name})"
    yield f"CREATE FUNCTION {schema}.refuses() RETURNS boolean {RAISES % 'a type'}"
    for element in elements:
        [(name,)] = connection.execute("SELECT typname FROM pg_type WHERE oid = %s::regtype", [element])
        yield f'CREATE DOMAIN {schema}."{name}" AS {element} CHECK ({schema}.refuses())'


def _elements(connection: psycopg.Connection) -> list[str]:
    return [name for (name,) in connection.execute(TYPES)]


def _concrete(
    connection: psycopg.Connection, query: str, names: set[str], elements: Sequence[str]
) -> list[tuple[str, list[str], str]]:
    """Functions or operators with these names, for the types that are used, and for names of tables and sequences."""
    used = {*elements, *(f"{element}[]" for element in elements), "regclass", "void"}
    found: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, arguments, result in connection.execute(query.encode(), [list(names)]):
        for element in elements:
            types = {**dict.fromkeys(ELEMENTS, element), **dict.fromkeys(ARRAYS, f"{element}[]")}
            concrete = tuple(types.get(each, each) for each in arguments)
            returned = " ".join(types.get(word, word) for word in result.split())
            if used.issuperset(concrete):
                found.setdefault((name, concrete), returned)
    return [(name, list(arguments), result) for (name, arguments), result in found.items()]
