-- Where rows of feature sets come from. Options are JSON in which secrets are named, never told.
CREATE TABLE catalog.main.sources (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    stream BOOLEAN NOT NULL,
    uri VARCHAR,
    query VARCHAR,
    options VARCHAR NOT NULL,
    suspended BOOLEAN NOT NULL,
    owner VARCHAR,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name)
);
