-- What is left of a signing key that was withdrawn: nothing that could sign or be published.
CREATE TABLE withdrawn_keys (
    id           @uuid PRIMARY KEY,
    algorithm    TEXT NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    created_at   @time NOT NULL,
    signs_from   @time NOT NULL,
    withdrawn_at @time NOT NULL
)@strict;
