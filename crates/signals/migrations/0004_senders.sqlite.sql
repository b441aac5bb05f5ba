-- A column's CHECK cannot be changed, so the table is made anew. What refers to its rows does so by name: until the end
-- of this, nothing has to be there.
PRAGMA defer_foreign_keys = ON;

CREATE TABLE service_tokens_before AS SELECT id, kind, name, audience, created_at, revoked_at FROM service_tokens;
DROP TABLE service_tokens;

CREATE TABLE service_tokens (
    id         BLOB PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('verifier', 'receiver', 'sender')),
    name       TEXT NOT NULL,
    -- What a receiver's security event tokens are for.
    audience   TEXT,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

INSERT INTO service_tokens (id, kind, name, audience, created_at, revoked_at)
SELECT id, kind, name, audience, created_at, revoked_at FROM service_tokens_before;
DROP TABLE service_tokens_before;

CREATE UNIQUE INDEX service_tokens_name ON service_tokens (kind, name) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_revoked_at ON service_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
