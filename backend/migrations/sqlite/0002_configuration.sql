-- The properties of a database's configuration: what somebody has set; the rest are defaults of
-- the program. The switch for logins by barcode lies in the database's settings.

CREATE TABLE configuration (
    database_id   TEXT PRIMARY KEY REFERENCES database (id) ON DELETE CASCADE,
    body          TEXT NOT NULL,
    -- Argon2id in PHC form.
    exit_password TEXT
) STRICT;
