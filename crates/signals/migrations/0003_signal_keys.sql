-- Keys that sign event tokens follow one another: several of an algorithm, each from its time on.
CREATE TABLE signal_keys_in_turn (
    id             @uuid PRIMARY KEY,
    algorithm      TEXT NOT NULL,
    public_jwk     TEXT NOT NULL,
    private_sealed @bytes NOT NULL,
    created_at     @time NOT NULL,
    signs_from     @time NOT NULL
)@strict;

INSERT INTO signal_keys_in_turn (id, algorithm, public_jwk, private_sealed, created_at, signs_from)
    SELECT id, algorithm, public_jwk, private_sealed, created_at, created_at FROM signal_keys;

DROP TABLE signal_keys;
ALTER TABLE signal_keys_in_turn RENAME TO signal_keys;
