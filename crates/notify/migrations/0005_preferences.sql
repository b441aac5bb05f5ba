-- What people want to hear, where and when: a row for whoever has chosen something.
CREATE TABLE notification_preferences (
    user_id     @uuid PRIMARY KEY,
    -- A JSON object: by category and channel, whether they want it. What is not in it is as it is for everybody.
    choices     TEXT NOT NULL,
    -- Minutes after midnight by their clock between which they want to be left alone; NULL if never.
    quiet_from  BIGINT,
    quiet_to    BIGINT,
    -- Whether what happens in applications comes one by one or together, and at which hour of their clock.
    digest      TEXT NOT NULL CHECK (digest IN ('off', 'daily', 'weekly')),
    digest_hour BIGINT NOT NULL,
    updated_at  @time NOT NULL
)@strict;

-- What waits for somebody's digest, and, as soon as that is written down, in which delivery it is told.
CREATE TABLE digest_items (
    id          @uuid PRIMARY KEY,
    user_id     @uuid NOT NULL,
    event_id    @uuid NOT NULL,
    event_at    @time NOT NULL,
    category    TEXT NOT NULL,
    template    TEXT NOT NULL,
    -- What the event says: a JSON object. What is personal in it is sealed.
    data        TEXT NOT NULL,
    due_at      @time NOT NULL,
    delivery_id @uuid,
    created_at  @time NOT NULL,
    UNIQUE (event_id, user_id, template)
)@strict;

CREATE INDEX digest_items_due ON digest_items (due_at) WHERE delivery_id IS NULL;
CREATE INDEX digest_items_user ON digest_items (user_id);
CREATE INDEX digest_items_delivery ON digest_items (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX digest_items_created_at ON digest_items (created_at);
