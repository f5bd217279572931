-- Endpoints that have a new name, while their predictions in the other file are still under the old one.
CREATE TABLE catalog.main.endpoint_renames (
    project VARCHAR NOT NULL,
    old_name VARCHAR NOT NULL,
    new_name VARCHAR NOT NULL,
    renamed_at TIMESTAMPTZ NOT NULL
);
