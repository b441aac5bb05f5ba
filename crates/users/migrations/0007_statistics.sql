-- How many events of each kind happened in each hour: what charts are drawn from. It is counted from the
-- ledger and could be counted again.
CREATE TABLE event_counts (
    kind   TEXT NOT NULL,
    hour   @time NOT NULL,
    events BIGINT NOT NULL,
    PRIMARY KEY (kind, hour)
)@strict;

-- Up to which ledger number it was counted: one row, changed in the transaction that changes the counts.
CREATE TABLE event_counts_position (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    idx BIGINT NOT NULL
)@strict;

INSERT INTO event_counts_position (one, idx) VALUES (1, -1);
