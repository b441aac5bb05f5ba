-- Addresses that people asked to have, until they show that mail there reaches them. The token of the link is
-- derived, not stored. `previous` is the address before, filled in when the change is made, so that it can be
-- told; rows are removed a week after they expire.
CREATE TABLE email_changes (
    id              @uuid PRIMARY KEY,
    user_id         @uuid NOT NULL REFERENCES users (id),
    -- The one that asked, which goes on.
    session_id      @uuid NOT NULL,
    email           TEXT NOT NULL,
    previous        TEXT,
    created_at      @time NOT NULL,
    expires_at      @time NOT NULL,
    used_at         @time
)@strict;

CREATE INDEX email_changes_of_user ON email_changes (user_id, id);
CREATE INDEX email_changes_expires_at ON email_changes (expires_at);
