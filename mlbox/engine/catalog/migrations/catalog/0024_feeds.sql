-- Feeds: what brings rows to endpoints besides HTTP, and where the answers go. Secrets of options are named, never told.
CREATE TABLE catalog.main.feeds (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    source_id VARCHAR,
    source VARCHAR,
    "column" VARCHAR,
    query VARCHAR,
    cron VARCHAR,
    every_seconds DOUBLE,
    timezone VARCHAR NOT NULL,
    target VARCHAR,
    options VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    next_run TIMESTAMPTZ,
    PRIMARY KEY (project, name)
);
