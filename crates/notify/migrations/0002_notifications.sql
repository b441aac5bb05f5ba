-- Everybody's inbox: one row for each message. What it says is written when it is read, in the language of whoever
-- reads it then.
CREATE TABLE notifications (
    id         @uuid PRIMARY KEY,
    user_id    @uuid NOT NULL,
    -- The event that it tells of, and when that happened.
    event_id   @uuid NOT NULL,
    event_at   @time NOT NULL,
    category   TEXT NOT NULL,
    template   TEXT NOT NULL,
    -- What the event says: a JSON object. What is personal in it is sealed.
    data       TEXT NOT NULL,
    -- Which of all changes in all inboxes was the last one to this row.
    changed    BIGINT NOT NULL,
    created_at @time NOT NULL,
    read_at    @time,
    UNIQUE (event_id, user_id, template)
)@strict;

CREATE INDEX notifications_user ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id) WHERE read_at IS NULL;
CREATE INDEX notifications_changed ON notifications (changed);
CREATE INDEX notifications_created_at ON notifications (created_at);

-- The number of the newest change in any inbox. Whoever takes the next one holds the row until its commit, so the
-- numbers are in the order of the commits: who knows one and asks for what is above it misses nothing. One row.
CREATE TABLE notification_changes (
    one     BIGINT PRIMARY KEY CHECK (one = 1),
    changed BIGINT NOT NULL
)@strict;

INSERT INTO notification_changes (one, changed) VALUES (1, 0);
