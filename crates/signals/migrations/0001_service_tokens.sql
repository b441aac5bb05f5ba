-- Services that may follow the feed or receive Shared Signals. The token itself is derived, not stored.
CREATE TABLE service_tokens (
    id         @uuid PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('verifier', 'receiver')),
    name       TEXT NOT NULL,
    -- What a receiver's security event tokens are for.
    audience   TEXT,
    created_at @time NOT NULL,
    revoked_at @time
)@strict;

CREATE UNIQUE INDEX service_tokens_name ON service_tokens (kind, name) WHERE revoked_at IS NULL;
CREATE INDEX service_tokens_revoked_at ON service_tokens (revoked_at) WHERE revoked_at IS NOT NULL;
