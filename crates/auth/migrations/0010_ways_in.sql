-- How whoever began the session showed who they are (RFC 8176), for its tokens.
ALTER TABLE sessions ADD COLUMN amr TEXT NOT NULL DEFAULT 'pwd';
