-- Addresses that an operator has registered, each of which is told what happens.
CREATE TABLE webhooks (
    id              @uuid PRIMARY KEY,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    -- A JSON array of kinds, or of areas like account.*; NULL asks for all.
    kinds           TEXT,
    -- One that is removed stays until what it was told is thrown away.
    status          TEXT NOT NULL CHECK (status IN ('active', 'paused', 'off', 'removed')),
    -- Why it was paused or switched off, where nobody did it by hand.
    reason          TEXT,
    -- What signs, and what signed before while both do.
    secret_sealed   @bytes NOT NULL,
    previous_sealed @bytes,
    previous_until  @time,
    -- The newest ledger number when it was made: it gets what came later.
    begins_after    BIGINT NOT NULL,
    -- Failures in a row, since when, and why the last.
    failures        BIGINT NOT NULL,
    failing_since   @time,
    failure         TEXT,
    -- Until then it is left alone.
    retry_at        @time,
    -- When it took something last, within a minute.
    taken_at        @time,
    created_at      @time NOT NULL,
    updated_at      @time NOT NULL
)@strict;

CREATE UNIQUE INDEX webhooks_name ON webhooks (name) WHERE status <> 'removed';

-- What is to be told to which webhook. What it says is in the ledger.
CREATE TABLE webhook_deliveries (
    id           @uuid PRIMARY KEY,
    webhook_id   @uuid NOT NULL REFERENCES webhooks (id),
    event_id     @uuid NOT NULL,
    event_index  BIGINT NOT NULL,
    event_at     @time NOT NULL,
    kind         TEXT NOT NULL,
    -- Whom the event is about: what follows about the same account waits for it. The event itself for what is about no
    -- account; the webhook itself for a test.
    lane         @uuid NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'dead', 'dropped')),
    -- How often it was taken up, and how often that came to an end.
    claims       BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    -- How many of those failed by our own fault.
    own_failures BIGINT NOT NULL,
    next_at      @time NOT NULL,
    give_up_at   @time NOT NULL,
    -- Until when whoever took it up has it; NULL while nobody has.
    leased_until @time,
    -- Why it failed, was given up or dropped.
    reason       TEXT,
    created_at   @time NOT NULL,
    ended_at     @time,
    UNIQUE (webhook_id, event_id)
)@strict;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at, event_index)
    WHERE state IN ('queued', 'failed');
CREATE INDEX webhook_deliveries_lane ON webhook_deliveries (webhook_id, lane, event_index)
    WHERE state IN ('queued', 'failed');
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (created_at) WHERE state IN ('queued', 'failed');
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (state, ended_at) WHERE ended_at IS NOT NULL;

-- The newest ledger number whose deliveries are in webhook_deliveries. One row.
CREATE TABLE webhook_position (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    idx BIGINT NOT NULL
)@strict;

INSERT INTO webhook_position (one, idx) SELECT 1, COALESCE(MAX(idx), -1) FROM ledger;
