-- Empty tables that functions lock, see infra/postgres/locks.py. No part has any right on them.
CREATE TABLE append_lock ();
CREATE TABLE invalidate_lock ();
