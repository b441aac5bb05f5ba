-- One-time links and the codes beside them, whatever they are for. The secret is derived (`users::link`), not
-- stored: without the master key, nothing in here opens anything. Addresses that were asked for before are forgotten:
-- their links were good for an hour.
DROP TABLE email_changes;

CREATE TABLE links (
    id            @uuid PRIMARY KEY,
    user_id       @uuid NOT NULL REFERENCES users (id),
    purpose       TEXT NOT NULL,
    -- The session that asked, where that has to be trusted still when the link is used.
    session_id    @uuid,
    -- Another address that it is about: sealed with the person's own key; and a keyed hash, by which is counted how
    -- much is sent there.
    other         TEXT,
    other_lookup  @bytes,
    -- A keyed hash of what the browser holds that asked, where it makes a difference which one it was.
    browser       @bytes,
    -- The hash of a password that comes into force when the link is used.
    password_hash TEXT,
    -- How often a wrong code was entered.
    failures      BIGINT NOT NULL,
    created_at    @time NOT NULL,
    expires_at    @time NOT NULL,
    -- When it was used, or a newer one took its place.
    used_at       @time
)@strict;

CREATE INDEX links_of_user ON links (user_id, purpose, created_at);
CREATE INDEX links_other ON links (other_lookup, created_at) WHERE other_lookup IS NOT NULL;
CREATE INDEX links_expires_at ON links (expires_at);
