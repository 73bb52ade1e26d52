-- Bodies are JSON objects as the API answers them; columns beside a body are what SQL must find,
-- order or keep unique. Everything of one database goes with its row in "database".

CREATE TABLE directory (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO directory (only_row, revision) VALUES (1, 0);

CREATE TABLE database (
    position  INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    settings  TEXT NOT NULL,
    index_key TEXT NOT NULL
) STRICT;

-- Entity sets without columns of their own: UserGroups, DocTypes, Warehouses, Products.
CREATE TABLE entity (
    position    INTEGER PRIMARY KEY,
    database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
    entity_set  TEXT NOT NULL,
    key         TEXT NOT NULL,
    body        TEXT NOT NULL,
    UNIQUE (database_id, entity_set, key)
) STRICT;

CREATE TABLE user (
    position       INTEGER PRIMARY KEY,
    database_id    TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
    id             TEXT NOT NULL,
    group_id       TEXT NOT NULL,
    -- Name and id in the form in which logins are compared.
    name_login     TEXT NOT NULL,
    id_login       TEXT NOT NULL,
    body           TEXT NOT NULL,
    password       TEXT NOT NULL,
    password_index TEXT NOT NULL,
    barcode        TEXT,
    barcode_index  TEXT,
    UNIQUE (database_id, id),
    UNIQUE (database_id, name_login),
    UNIQUE (database_id, id_login),
    UNIQUE (database_id, password_index),
    UNIQUE (database_id, barcode_index)
) STRICT;

CREATE INDEX user_group ON user (database_id, group_id);

CREATE TABLE document (
    position    INTEGER PRIMARY KEY,
    database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
    id          TEXT NOT NULL,
    -- Transliterated name of the type, as in Docs/<uni>.
    uni         TEXT NOT NULL,
    body        TEXT NOT NULL,
    -- Extra tables: a JSON array of {name, rows, …}.
    tables      TEXT NOT NULL,
    UNIQUE (database_id, id)
) STRICT;

CREATE INDEX document_type ON document (database_id, uni);

CREATE TABLE document_item (
    position          INTEGER PRIMARY KEY,
    document_position INTEGER NOT NULL REFERENCES document (position) ON DELETE CASCADE,
    -- declared or current.
    list              TEXT NOT NULL,
    uid               TEXT NOT NULL,
    body              TEXT NOT NULL,
    UNIQUE (document_position, list, uid)
) STRICT;
