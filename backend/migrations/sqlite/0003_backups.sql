-- Copies of documents that are taken but are no files yet. A copy is written in the transaction of
-- the change that it belongs to, so it is as safe as the change, and goes when its file is on disk.

CREATE TABLE backup (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    database_id TEXT NOT NULL REFERENCES database (id) ON DELETE CASCADE,
    copy        TEXT NOT NULL
) STRICT;

CREATE INDEX backup_database ON backup (database_id, position);

-- Rows came in after the last copy; the end of the upload takes the next one.
ALTER TABLE document ADD COLUMN uncopied INTEGER NOT NULL DEFAULT 0;
