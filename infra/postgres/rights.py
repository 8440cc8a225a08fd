"""The rights of each part in the database: declared once, granted by `palimpsest migrate`, compared by `doctor`.

Only what is declared here is allowed: any other right on our objects is a deviation, which `migrate` takes back.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from infra.postgres.connect import Connection
from infra.settings.database import PARTS, Part, role_of

OURS, READ, QUEUE = "palimpsest", "read", "jobs"
"""The schemas: the log and all that is written with it; the tables of the read models, which the projector owns; the
queue of jobs."""

RIGHTS: Mapping[tuple[str, str], Mapping[Part, str]] = {
    ("SCHEMA", OURS): dict.fromkeys(("api", "projector", "relay", "worker", "sealer", "auditor"), "USAGE"),
    ("SCHEMA", READ): {"api": "USAGE", "worker": "USAGE", "projector": "USAGE, CREATE"},
    ("SCHEMA", QUEUE): {"worker": "USAGE"},
    # The worker sends commands, as the API does.
    ("FUNCTION", f"{OURS}.append_events"): dict.fromkeys(("api", "worker"), "EXECUTE"),
    ("FUNCTION", f"{OURS}.enqueue_jobs"): dict.fromkeys(("api", "worker"), "EXECUTE"),
    ("FUNCTION", f"{OURS}.queue_place"): dict.fromkeys(("api", "worker"), "EXECUTE"),
    ("TABLE", f"{OURS}.stored_events"): dict.fromkeys(
        ("api", "projector", "relay", "worker", "sealer", "auditor"), "SELECT"
    ),
    ("TABLE", f"{OURS}.events"): {"auditor": "SELECT"},
    ("FUNCTION", f"{OURS}.id_at"): {"auditor": "EXECUTE"},
    ("FUNCTION", f"{OURS}.bits"): {"auditor": "EXECUTE"},
    # The relay loads aggregates, and loading keeps snapshots. They are authenticated.
    ("TABLE", f"{OURS}.snapshots"): dict.fromkeys(("api", "relay", "worker"), "SELECT, INSERT, DELETE"),
    ("TABLE", f"{OURS}.claims"): dict.fromkeys(("api", "worker"), "SELECT"),
    ("TABLE", f"{OURS}.keys"): dict.fromkeys(("api", "projector", "relay", "worker", "sealer"), "SELECT"),
    ("FUNCTION", f"{OURS}.record_key"): dict.fromkeys(("api", "projector", "relay", "worker", "sealer"), "EXECUTE"),
    ("TABLE", f"{OURS}.invalidations"): dict.fromkeys(("api", "projector", "relay", "worker"), "SELECT"),
    ("TABLE", f"{OURS}.cache_leases"): dict.fromkeys(
        ("api", "projector", "relay", "worker"), "SELECT, INSERT, UPDATE, DELETE"
    ),
    ("TABLE", f"{OURS}.data_keys"): dict.fromkeys(("api", "projector", "relay", "worker"), "SELECT"),
    ("TABLE", f"{OURS}.idempotency"): {"api": "SELECT", "worker": "SELECT, UPDATE, DELETE"},
    ("TABLE", f"{OURS}.security_log"): dict.fromkeys(("api", "worker"), "SELECT, INSERT"),
    ("FUNCTION", f"{OURS}.keep_security_log"): {"worker": "EXECUTE"},
    ("TABLE", f"{OURS}.recent_documents"): {"api": "SELECT, INSERT, UPDATE, DELETE", "worker": "SELECT, DELETE"},
    ("TABLE", f"{OURS}.partial_texts"): {"api": "SELECT", "worker": "SELECT, INSERT, UPDATE, DELETE"},
    ("TABLE", f"{OURS}.projections"): {
        "api": "SELECT",
        "worker": "SELECT",
        "projector": "SELECT, INSERT, UPDATE, DELETE",
    },
    ("TABLE", f"{OURS}.projection_quarantine"): {
        "api": "SELECT",
        "worker": "SELECT",
        "projector": "SELECT, INSERT, UPDATE, DELETE",
    },
    ("TABLE", f"{OURS}.projection_skips"): {"api": "SELECT", "worker": "SELECT", "projector": "SELECT, INSERT"},
    ("TABLE", f"{OURS}.projection_partitions"): {"projector": "SELECT, INSERT, UPDATE, DELETE"},
    ("TABLE", f"{OURS}.siem_checkpoint"): {"worker": "SELECT, UPDATE"},
    ("TABLE", f"{OURS}.policies"): {"worker": "SELECT, INSERT, UPDATE"},
    ("TABLE", f"{OURS}.policy_quarantine"): {"worker": "SELECT, INSERT, DELETE"},
    ("TABLE", f"{OURS}.policy_skips"): {"worker": "SELECT, INSERT"},
    ("TABLE", f"{OURS}.policy_partitions"): {"worker": "SELECT, INSERT, UPDATE, DELETE"},
    ("TABLE", f"{OURS}.policy_states"): {"worker": "SELECT, INSERT, UPDATE, DELETE"},
    ("TABLE", f"{OURS}.sessions"): {"api": "SELECT"},
    ("FUNCTION", f"{OURS}.begin_session"): {"api": "EXECUTE"},
    ("FUNCTION", f"{OURS}.rotate_session"): {"api": "EXECUTE"},
    # The worker ends sessions, too, where an event has ended them.
    ("FUNCTION", f"{OURS}.end_sessions"): dict.fromkeys(("api", "worker"), "EXECUTE"),
    ("FUNCTION", f"{OURS}.end_sessions_of_users"): dict.fromkeys(("api", "worker"), "EXECUTE"),
    ("FUNCTION", f"{OURS}.keep_session_partitions"): {"worker": "EXECUTE"},
    ("TABLE", f"{OURS}.relays"): {"relay": "SELECT, INSERT, UPDATE"},
    # What is sealed never changes: only the edge of the tree does.
    ("TABLE", f"{OURS}.log_tiles"): {"sealer": "SELECT, INSERT", "api": "SELECT", "auditor": "SELECT"},
    ("TABLE", f"{OURS}.log_edges"): {"sealer": "SELECT, INSERT, UPDATE", "api": "SELECT", "auditor": "SELECT"},
    ("TABLE", f"{OURS}.log_checkpoints"): {"sealer": "SELECT, INSERT", "api": "SELECT", "auditor": "SELECT"},
    ("TABLE", f"{OURS}.log_cosignatures"): {"sealer": "SELECT, INSERT", "api": "SELECT", "auditor": "SELECT"},
    ("TABLE", f"{OURS}.log_witnesses"): {"sealer": "SELECT, INSERT, UPDATE"},
}
"""Privileges by kind and name of the object, then by part. The owner has all of them."""

READ_MODEL_RIGHTS: Mapping[Part, str] = {"api": "SELECT", "worker": "SELECT"}
"""Privileges on each table of a read model, also on those that the projector will create."""

QUEUE_RIGHTS: Mapping[str, str] = {
    "TABLE": "SELECT, INSERT, UPDATE, DELETE",
    "SEQUENCE": "USAGE",
    "FUNCTION": "EXECUTE",
}
"""Privileges of the worker on each object of the queue, by kind: versions of the queue have different objects."""

GRANTED = """
WITH object (kind, name, owner, acl) AS (
    SELECT 'DATABASE', quote_ident(datname), datdba, coalesce(datacl, acldefault('d', datdba))
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'SCHEMA', quote_ident(nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace WHERE nspname IN ('palimpsest', 'read', 'jobs', 'public')
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, format('%I.%I', nspname, relname), relowner, relacl
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('palimpsest', 'read', 'jobs')
    UNION ALL
    SELECT 'TABLE', format('%I.%I', nspname, relname), relowner, attacl
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('palimpsest', 'read', 'jobs')
    UNION ALL
    SELECT 'FUNCTION', format('%I.%I', nspname, proname), proowner, coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname IN ('palimpsest', 'read', 'jobs')
    UNION ALL
    SELECT 'DEFAULT', 'TABLES', defaclrole, defaclacl
    FROM pg_default_acl JOIN pg_namespace n ON n.oid = defaclnamespace
    WHERE nspname = 'read' AND defaclobjtype = 'r' AND defaclrole = 'palimpsest_projector'::regrole
)
SELECT kind, name, coalesce(quote_ident(rolname), 'PUBLIC'), privilege
FROM object CROSS JOIN aclexplode(acl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
CROSS JOIN LATERAL (VALUES (privilege_type, true), ('GRANT OPTION FOR ' || privilege_type, is_grantable))
    AS granted (privilege, held)
WHERE grantee <> owner AND held
"""
READ_TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'read'"
QUEUE_OBJECTS = """
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, format('%I.%I', nspname, relname)
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'jobs' AND relkind IN ('r', 'S')
UNION ALL
SELECT 'FUNCTION', format('%I.%I', nspname, proname)
FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'jobs'
"""
WRONG_OWNERS = """
WITH object (kind, name, owner, wanted) AS (
    SELECT 'SCHEMA', quote_ident(nspname), nspowner, 'palimpsest_owner'
    FROM pg_namespace WHERE nspname IN ('palimpsest', 'read', 'jobs')
    UNION ALL
    SELECT 'TABLE', format('%I.%I', nspname, relname), relowner,
           CASE nspname WHEN 'read' THEN 'palimpsest_projector' ELSE 'palimpsest_owner' END
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('palimpsest', 'read', 'jobs') AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 'ROUTINE', oid::regprocedure::text, proowner, 'palimpsest_owner'
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('palimpsest', 'read', 'jobs'))
)
SELECT kind, name, rolname, wanted FROM object JOIN pg_roles ON pg_roles.oid = owner WHERE rolname <> wanted
"""
POWERFUL_ROLES = """
SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) ORDER BY rolname
"""
MEMBERSHIPS = """
SELECT pg_get_userbyid(member), pg_get_userbyid(roleid) FROM pg_auth_members WHERE pg_get_userbyid(member) = ANY(%s)
AND (pg_get_userbyid(member), pg_get_userbyid(roleid)) <> ('palimpsest_owner', 'palimpsest_projector') ORDER BY 1, 2
"""


class Deviation(NamedTuple):
    """Something that is not as declared, and the statement that mends it."""

    found: str
    mend: str


class Right(NamedTuple):
    """A privilege of a role on an object."""

    kind: str
    name: str
    role: str
    privilege: str

    @property
    def grant(self) -> str:
        """The statement that grants it."""
        return f"{self._default}GRANT {self.privilege} ON {self._object} TO {self.role}"

    @property
    def revoke(self) -> str:
        """The statement that takes it back."""
        return f"{self._default}REVOKE {self.privilege} ON {self._object} FROM {self.role}"

    @property
    def _default(self) -> str:
        if self.kind != "DEFAULT":
            return ""
        return f"ALTER DEFAULT PRIVILEGES FOR ROLE {role_of('projector')} IN SCHEMA {READ} "

    @property
    def _object(self) -> str:
        return self.name if self.kind == "DEFAULT" else f"{self.kind} {self.name}"


def grant_deviations(connection: Connection) -> list[Deviation]:
    """Where the rights on our objects differ from those declared. The owner can run all statements that mend them."""
    [(database,)] = connection.execute("SELECT quote_ident(current_database())").fetchall()
    tables = [name for (name,) in connection.execute(READ_TABLES)]
    queue = connection.execute(QUEUE_OBJECTS).fetchall()
    wanted, granted = (
        {*_declared(database, tables), *_declared_of_queue(queue)},
        {Right(*row) for row in connection.execute(GRANTED)},
    )
    # Other logins may connect to the database: one of them may act as our roles.
    ours = {*map(role_of, PARTS), "PUBLIC"}
    surplus = {right for right in granted - wanted if right.kind != "DATABASE" or right.role in ours}
    return [
        *(
            Deviation(f"{right.role} lacks {right.privilege} on {right.name}", right.grant)
            for right in wanted - granted
        ),
        *(Deviation(f"{right.role} has {right.privilege} on {right.name}", right.revoke) for right in surplus),
    ]


def role_deviations(connection: Connection) -> Iterator[Deviation]:
    """Roles that may do more than their rights, and objects of another owner. An administrator runs what mends them."""
    roles = [role_of(part) for part in PARTS]
    for (role,) in connection.execute(POWERFUL_ROLES, [roles]):
        lesser = "NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS"
        yield Deviation(f"{role} may do more than its part", f"ALTER ROLE {role} {lesser}")
    for member, group in connection.execute(MEMBERSHIPS, [roles]):
        yield Deviation(f"{member} may act as {group}", f'REVOKE "{group}" FROM {member}')
    for kind, name, owner, wanted in connection.execute(WRONG_OWNERS):
        yield Deviation(f"{owner} owns {name}", f"ALTER {kind} {name} OWNER TO {wanted}")


def apply_rights(connection: Connection) -> None:
    """Grant and revoke until the rights are as declared. The session must be the owner's."""
    for deviation in sorted(grant_deviations(connection)):
        connection.execute(deviation.mend.encode())


def _declared(database: str, read_tables: Iterable[str]) -> Iterator[Right]:
    everywhere = {("DATABASE", database): dict.fromkeys(PARTS[1:], "CONNECT"), ("DEFAULT", "TABLES"): READ_MODEL_RIGHTS}
    for (kind, name), by_part in {**RIGHTS, **everywhere}.items():
        yield from _rights(kind, name, by_part)
    for name in read_tables:
        yield from _rights("TABLE", name, READ_MODEL_RIGHTS)


def _declared_of_queue(objects: Iterable[tuple[str, str]]) -> Iterator[Right]:
    for kind, name in objects:
        yield from _rights(kind, name, {"worker": QUEUE_RIGHTS[kind]})


def _rights(kind: str, name: str, by_part: Mapping[Part, str]) -> Iterator[Right]:
    for part, privileges in by_part.items():
        for privilege in privileges.split(", "):
            yield Right(kind, name, role_of(part), privilege)
