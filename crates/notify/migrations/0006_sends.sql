-- What applications have had said: for a request with an Idempotency-Key, so that the same again has the same answer, and
-- for what a job says.
CREATE TABLE sends (
    id           @uuid PRIMARY KEY,
    -- Who asked: `user:` or `service:` and an id.
    sender       TEXT NOT NULL,
    -- Hashes of the key, NULL without one, and of what was asked for.
    key_hash     @bytes,
    fingerprint  @bytes NOT NULL,
    -- The message and its values, for a job. The values are sealed.
    template     TEXT,
    sealed       @bytes,
    -- Until when whoever does it has it; NULL when it is done.
    leased_until @time,
    -- A JSON object: what was answered.
    answer       TEXT,
    created_at   @time NOT NULL
)@strict;

CREATE UNIQUE INDEX sends_key ON sends (sender, key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX sends_created_at ON sends (created_at);
