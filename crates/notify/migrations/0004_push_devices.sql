-- Devices that somebody is pushed messages to: apps and browsers, each of one session.
CREATE TABLE push_devices (
    id         @uuid PRIMARY KEY,
    user_id    @uuid NOT NULL,
    session_id @uuid NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('fcm', 'web')),
    -- A keyed hash of the token or the address, by which the device is found again.
    lookup     @bytes NOT NULL UNIQUE,
    -- The token, or address and keys: JSON, sealed with the person's key.
    sealed     TEXT NOT NULL,
    created_at @time NOT NULL,
    -- When it was registered last.
    seen_at    @time NOT NULL,
    -- When it was looked last whether its session is on.
    checked_at @time NOT NULL
)@strict;

CREATE INDEX push_devices_user ON push_devices (user_id, seen_at);
CREATE INDEX push_devices_checked ON push_devices (checked_at);
