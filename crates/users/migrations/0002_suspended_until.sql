-- When a suspension ends by itself; nothing for one that an administrator has to lift.
ALTER TABLE users ADD COLUMN suspended_until @time;

CREATE INDEX users_suspended_until ON users (suspended_until) WHERE suspended_until IS NOT NULL;
