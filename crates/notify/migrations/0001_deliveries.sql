-- What is to be told to whom: one row for each message on each channel. A row that is there is told at some time,
-- given up with a reason, or dropped with one.
CREATE TABLE deliveries (
    id           @uuid PRIMARY KEY,
    -- The event that asks for it, its number in the ledger, and when it happened.
    event_id     @uuid NOT NULL,
    event_index  BIGINT,
    event_at     @time NOT NULL,
    user_id      @uuid NOT NULL,
    category     TEXT NOT NULL,
    channel      TEXT NOT NULL,
    template     TEXT NOT NULL,
    -- 0 is sent before 1: a link that somebody waits for is not behind a newsletter.
    urgency      BIGINT NOT NULL,
    -- What the event says: a JSON object. What is personal in it is sealed.
    data         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'dead', 'dropped')),
    -- How often it was taken up, and how often that came to an end.
    claims       BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    next_at      @time NOT NULL,
    -- What still fails then is given up.
    give_up_at   @time NOT NULL,
    -- Until when whoever took it up has it; NULL while nobody has.
    leased_until @time,
    -- Why it failed, was given up or dropped.
    reason       TEXT,
    -- The Message-ID of RFC 5322 §3.6.4, the same at every try; NULL where there is none.
    message_id   TEXT,
    created_at   @time NOT NULL,
    ended_at     @time,
    UNIQUE (event_id, user_id, channel, template)
)@strict;

CREATE INDEX deliveries_due ON deliveries (channel, urgency, next_at) WHERE state IN ('queued', 'failed');
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX deliveries_user ON deliveries (user_id, id);
CREATE INDEX deliveries_ended_at ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- The newest ledger number whose messages are in deliveries. One row. What happened before this table was made is
-- told to nobody.
CREATE TABLE notify_position (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    idx BIGINT NOT NULL
)@strict;

INSERT INTO notify_position (one, idx) SELECT 1, COALESCE(MAX(idx), -1) FROM ledger;

-- Mail that a development server keeps instead of sending it. Links that work are in it: it is sealed.
CREATE TABLE development_mails (
    id         @uuid PRIMARY KEY,
    sealed     @bytes NOT NULL,
    created_at @time NOT NULL
)@strict;
