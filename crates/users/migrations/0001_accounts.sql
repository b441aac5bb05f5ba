CREATE TABLE users (
    id              @uuid PRIMARY KEY,
    -- As it was typed, for sending mail; and as it is compared, for finding and for being unique.
    email           TEXT NOT NULL,
    email_canonical TEXT NOT NULL UNIQUE,
    email_verified  @boolean NOT NULL,
    name            TEXT,
    locale          TEXT,
    status          TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
    -- Tokens carry the epoch; those below it are dead. Sessions begun before `sessions_from` are over.
    epoch           BIGINT NOT NULL,
    sessions_from   BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    created_at      @time NOT NULL,
    updated_at      @time NOT NULL,
    last_login_at   @time
)@strict;

CREATE TABLE user_roles (
    user_id    @uuid NOT NULL REFERENCES users (id),
    role       TEXT NOT NULL,
    granted_at @time NOT NULL,
    PRIMARY KEY (user_id, role)
)@strict;

CREATE INDEX user_roles_role ON user_roles (role, user_id);
