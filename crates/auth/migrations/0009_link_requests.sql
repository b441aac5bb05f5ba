-- What somebody asked for by naming an address: a new password, the link that verifies, an account. It is written down
-- without a look at who has the address, and answered a moment later: so asking takes as long and says as much for
-- everybody. What it says is sealed with a key that is not in the database; the row goes when it is answered.
CREATE TABLE link_requests (
    id         @uuid PRIMARY KEY,
    sealed     @bytes NOT NULL,
    created_at @time NOT NULL
)@strict;
