-- Work on many accounts that goes on in the background. `selection` says on which, and is emptied when the
-- work has ended; `bound` is the newest account when it began, `position` the last one that was dealt with.
-- Whoever works on it holds `lease` until `lease_until`; another then takes it over, and what the first one
-- still tries to write is refused.
CREATE TABLE jobs (
    id          @uuid PRIMARY KEY,
    actor       @uuid,
    action      TEXT NOT NULL,
    parameters  TEXT NOT NULL,
    selection   TEXT NOT NULL,
    bound       @uuid,
    state       TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    position    @uuid,
    total       BIGINT,
    done        BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    refusals    TEXT NOT NULL,
    trouble     TEXT,
    has_result  @boolean NOT NULL,
    lease       @bytes,
    lease_until @time,
    created_at  @time NOT NULL,
    started_at  @time,
    ended_at    @time
)@strict;

CREATE INDEX jobs_open ON jobs (id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_actor ON jobs (actor, id);
CREATE INDEX jobs_ended_at ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- The parts of an export, in order: each the name of a sealed file in the store.
CREATE TABLE job_parts (
    job_id @uuid NOT NULL REFERENCES jobs (id),
    number BIGINT NOT NULL,
    blob   TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
)@strict;
