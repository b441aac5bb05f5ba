-- Streams of Shared Signals: one for each receiver that has made one.
CREATE TABLE signal_streams (
    id                    @uuid PRIMARY KEY,
    receiver_id           @uuid NOT NULL UNIQUE REFERENCES service_tokens (id),
    audience              TEXT NOT NULL,
    status                TEXT NOT NULL CHECK (status IN ('enabled', 'paused', 'disabled')),
    reason                TEXT,
    -- A JSON array; NULL asks for all.
    events_requested      TEXT,
    description           TEXT,
    algorithm             TEXT NOT NULL,
    -- Where to push to; NULL for a receiver that polls.
    endpoint              TEXT,
    authorization_sealed  @bytes,
    -- The newest ledger number when it was made: it gets what came later.
    begins_after          BIGINT NOT NULL,
    verification_asked_at @time,
    -- Failed pushes in a row, and when to try again.
    failures              BIGINT NOT NULL,
    retry_at              @time,
    -- Which process pushes, told by the time until which it may.
    leased_until          @time,
    created_at            @time NOT NULL,
    updated_at            @time NOT NULL
)@strict;

-- Security event tokens that have not been acknowledged, as claims: they are signed when they leave.
CREATE TABLE signal_events (
    jti        TEXT PRIMARY KEY,
    stream_id  @uuid NOT NULL REFERENCES signal_streams (id),
    -- Their order in the stream.
    ordinal    BIGINT NOT NULL,
    -- About the stream itself: sent even when it is paused or disabled.
    control    @boolean NOT NULL,
    -- Whom it is about: what follows about the same account does not overtake it.
    subject    @uuid,
    claims     TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    -- The receiver fails over this one again and again: until then, the others go.
    retry_at   @time,
    refused_at @time,
    refusal    TEXT,
    created_at @time NOT NULL
)@strict;

CREATE INDEX signal_events_stream ON signal_events (stream_id, ordinal);
CREATE INDEX signal_events_subject ON signal_events (stream_id, subject, ordinal);
CREATE INDEX signal_events_created_at ON signal_events (created_at);

-- Keys that sign event tokens and nothing else.
CREATE TABLE signal_keys (
    id             @uuid PRIMARY KEY,
    algorithm      TEXT NOT NULL UNIQUE,
    public_jwk     TEXT NOT NULL,
    private_sealed @bytes NOT NULL,
    created_at     @time NOT NULL
)@strict;

-- The newest ledger number whose event tokens are in signal_events. One row.
CREATE TABLE signal_position (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL
)@strict;

INSERT INTO signal_position (id, position) VALUES (1, -1);
