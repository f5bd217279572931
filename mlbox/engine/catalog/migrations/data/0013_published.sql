-- How far the files of sets at locations of their own have followed their tables.
CREATE TABLE data._mlbox.published (
    project VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    published_at TIMESTAMPTZ NOT NULL
);
