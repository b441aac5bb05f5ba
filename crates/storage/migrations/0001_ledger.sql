-- The ledger: numbered without gaps, append-only. `body` is kept as the exact text that `leaf`
-- hashes (RFC 9162 §2.1.1), so it is never stored as a JSON type that could rewrite it.
CREATE TABLE ledger (
    idx      BIGINT PRIMARY KEY,
    event_id @uuid NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    subject  @uuid,
    revokes  @boolean NOT NULL,
    at       @time NOT NULL,
    body     TEXT NOT NULL,
    leaf     @bytes NOT NULL
)@strict;

CREATE INDEX ledger_revokes ON ledger (at) WHERE revokes;
CREATE INDEX ledger_subject ON ledger (subject, idx);

-- Events that are committed and not yet numbered. On SQLite the writer numbers them in the same
-- commit, and this table stays empty.
CREATE TABLE outbox (
    event_id @uuid PRIMARY KEY,
    kind     TEXT NOT NULL,
    subject  @uuid,
    revokes  @boolean NOT NULL,
    at       @time NOT NULL,
    body     TEXT NOT NULL
)@strict;
