-- Pictures that are kept outside of the database. A row is there before the first file is, and until the
-- last one is gone, so that none is forgotten when a process dies in between. `delete_after` is empty
-- while somebody has the picture.
CREATE TABLE pictures (
    id           @uuid PRIMARY KEY,
    user_id      @uuid NOT NULL REFERENCES users (id),
    delete_after @time
)@strict;

CREATE INDEX pictures_user ON pictures (user_id);
CREATE INDEX pictures_delete_after ON pictures (delete_after) WHERE delete_after IS NOT NULL;
