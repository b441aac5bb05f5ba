CREATE TABLE passwords (
    user_id      @uuid PRIMARY KEY REFERENCES users (id),
    hash         TEXT NOT NULL,
    -- Changes with every new hash: what was checked against an old one does not count any more.
    version      BIGINT NOT NULL,
    changed_at   @time NOT NULL,
    confirmed_at @time
)@strict;

-- Failures since the last success, and attempts whose password is being compared. `account` is a keyed hash of the canonical address, so that an
-- address without an account is counted, and locked, just like one that has it. `device` is all
-- zero for strangers; a browser that signed in before has a row of its own.
CREATE TABLE sign_in_attempts (
    account  @bytes NOT NULL,
    device   @bytes NOT NULL,
    failures BIGINT NOT NULL,
    pending  BIGINT NOT NULL,
    last_at  @time NOT NULL,
    PRIMARY KEY (account, device)
)@strict;

CREATE INDEX sign_in_attempts_last_at ON sign_in_attempts (last_at);

CREATE TABLE sessions (
    id           @uuid PRIMARY KEY,
    user_id      @uuid NOT NULL REFERENCES users (id),
    kind         TEXT NOT NULL CHECK (kind IN ('browser', 'api')),
    epoch        BIGINT NOT NULL,
    -- The number of the newest refresh token. The token itself is derived, not stored.
    generation   BIGINT NOT NULL,
    device_name  TEXT,
    ip           TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created_at   @time NOT NULL,
    last_seen_at @time NOT NULL,
    expires_at   @time NOT NULL,
    ends_at      @time NOT NULL,
    ended_at     @time
)@strict;

CREATE INDEX sessions_of_user ON sessions (user_id, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE signing_keys (
    id              @uuid PRIMARY KEY,
    algorithm       TEXT NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    public_jwk      TEXT NOT NULL,
    -- PKCS #8, sealed with the key-encryption key and bound to this row.
    private_sealed  @bytes NOT NULL,
    created_at      @time NOT NULL,
    signs_from      @time NOT NULL
)@strict;

CREATE TABLE setup_links (
    id         @uuid PRIMARY KEY,
    created_at @time NOT NULL,
    expires_at @time NOT NULL,
    used_at    @time
)@strict;
