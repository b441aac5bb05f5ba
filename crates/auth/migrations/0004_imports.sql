-- How far each imported file has got, in rows. It is written in the transaction of the rows, so that whoever
-- begins again begins behind the last of them. `file` is a digest of the file's head and its length.
CREATE TABLE imports (
    file        @bytes PRIMARY KEY,
    source      TEXT NOT NULL,
    position    BIGINT NOT NULL,
    imported    BIGINT NOT NULL,
    skipped     BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    started_at  @time NOT NULL,
    updated_at  @time NOT NULL,
    finished_at @time
)@strict;
