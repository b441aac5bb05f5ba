-- Browsers and programs that an account was signed in to from. `device` is a keyed hash that is another one for each
-- account: of the random id in a browser's cookie, or of what a program calls itself.
CREATE TABLE known_devices (
    user_id  @uuid NOT NULL REFERENCES users (id),
    device   @bytes NOT NULL,
    sign_ins BIGINT NOT NULL,
    last_at  @time NOT NULL,
    PRIMARY KEY (user_id, device)
)@strict;

CREATE INDEX known_devices_last_at ON known_devices (last_at);

-- The device that a session was begun on, as in `known_devices`.
ALTER TABLE sessions ADD COLUMN device @bytes;

-- Wrong passwords since the last sign-in, however long ago. The other column is where a sign-in leaves how many there
-- had been.
ALTER TABLE passwords ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE passwords ADD COLUMN failures_before BIGINT NOT NULL DEFAULT 0;
