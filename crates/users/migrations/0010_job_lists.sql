-- The accounts of a job that were named one by one, where they are too many to be written anew whenever the job moves
-- on: pieces of a list, in order. Gone when the job has ended.
CREATE TABLE job_lists (
    job_id @uuid NOT NULL REFERENCES jobs (id),
    -- The last account of this piece.
    last   @uuid NOT NULL,
    -- A JSON array of ids.
    ids    TEXT NOT NULL,
    PRIMARY KEY (job_id, last)
)@strict;
