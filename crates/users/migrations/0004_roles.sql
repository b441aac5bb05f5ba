-- A role is a named set of permissions and may include others. A built-in one cannot be deleted.
CREATE TABLE roles (
    name        TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    built_in    @boolean NOT NULL,
    version     BIGINT NOT NULL,
    created_at  @time NOT NULL,
    updated_at  @time NOT NULL
)@strict;

CREATE TABLE role_permissions (
    role       TEXT NOT NULL REFERENCES roles (name),
    permission TEXT NOT NULL,
    PRIMARY KEY (role, permission)
)@strict;

CREATE TABLE role_includes (
    role     TEXT NOT NULL REFERENCES roles (name),
    included TEXT NOT NULL REFERENCES roles (name),
    PRIMARY KEY (role, included),
    CHECK (role <> included)
)@strict;

CREATE INDEX role_includes_included ON role_includes (included);

-- One row, raised by every change of any role: whoever holds all roles in memory sees by it whether they are
-- old.
CREATE TABLE role_revision (
    one      BIGINT PRIMARY KEY CHECK (one = 1),
    revision BIGINT NOT NULL
)@strict;

INSERT INTO role_revision (one, revision) VALUES (1, 1);
