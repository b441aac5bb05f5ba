-- What people say of themselves beside name and language. `preferences` is the JSON text of an
-- application's own settings, at most 16 KiB. `avatar` is an address elsewhere, or the name of a picture
-- that is kept here.
ALTER TABLE users ADD COLUMN bio TEXT;
ALTER TABLE users ADD COLUMN timezone TEXT;
ALTER TABLE users ADD COLUMN preferences TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN avatar TEXT;

-- Since when an account is deleted (it can come back for 30 days), and since when nothing of the person
-- is left in it.
ALTER TABLE users ADD COLUMN deleted_at @time;
ALTER TABLE users ADD COLUMN erased_at @time;
UPDATE users SET deleted_at = updated_at WHERE status = 'deleted';

CREATE INDEX users_deleted_at ON users (deleted_at, id) WHERE deleted_at IS NOT NULL AND erased_at IS NULL;

-- The key of one person's data, wrapped by a key that is not in the database; `wrapped_by` names that one.
-- Without this row nothing that was sealed with it can be read; a backup that was made before has the row still.
CREATE TABLE user_keys (
    user_id    @uuid PRIMARY KEY REFERENCES users (id),
    wrapped    @bytes NOT NULL,
    wrapped_by @bytes NOT NULL,
    created_at @time NOT NULL
)@strict;

CREATE INDEX user_keys_wrapped_by ON user_keys (wrapped_by, user_id);

-- Telephone number, postal address and an application's own attributes. A personal one is in `sealed`
-- alone, AES-256-GCM with the person's key, bound to this table, its name and its row; any other is in
-- `value`, as JSON text. `lookup` is what a searchable one is found by: a keyed hash.
CREATE TABLE user_attributes (
    user_id @uuid NOT NULL REFERENCES users (id),
    name    TEXT NOT NULL,
    value   TEXT,
    sealed  @bytes,
    lookup  @bytes,
    PRIMARY KEY (user_id, name),
    CHECK ((value IS NULL) <> (sealed IS NULL))
)@strict;

CREATE INDEX user_attributes_lookup ON user_attributes (name, lookup, user_id) WHERE lookup IS NOT NULL;
