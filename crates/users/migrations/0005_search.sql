-- What accounts are sorted and searched by. `name_folded` is the name as it is compared: the same for every
-- spelling that people take for the same, and folded here because the databases fold differently.
-- `searchable` says that the row has its folded name and its line in `user_texts`: who writes many accounts
-- at once may leave that to the upkeep.
ALTER TABLE users ADD COLUMN name_folded TEXT;
ALTER TABLE users ADD COLUMN searchable @boolean NOT NULL DEFAULT FALSE;

-- Folded name and address of an account as one text, for finding what stands anywhere in it. `number` counts
-- them: it is what SQLite's full-text index knows a line by.
CREATE TABLE user_texts (
    number  BIGINT PRIMARY KEY,
    user_id @uuid NOT NULL UNIQUE REFERENCES users (id),
    text    TEXT NOT NULL
)@strict;

-- One for each order of the list, each ending in the id.
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_name ON users (name_folded, id);
CREATE INDEX users_last_login ON users (last_login_at, id);

-- The same orders of those that few accounts are: a list of suspended ones goes through them alone.
CREATE INDEX users_not_active ON users (status, id) WHERE status <> 'active';
CREATE INDEX users_not_active_created ON users (status, created_at, id) WHERE status <> 'active';
CREATE INDEX users_not_active_email ON users (status, email_canonical) WHERE status <> 'active';
CREATE INDEX users_not_active_name ON users (status, name_folded, id) WHERE status <> 'active';
CREATE INDEX users_not_active_last_login ON users (status, last_login_at, id) WHERE status <> 'active';

CREATE INDEX users_verified ON users (email_verified, id);
CREATE INDEX users_not_searchable ON users (id) WHERE NOT searchable;
