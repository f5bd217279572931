-- Definitions of feature sets that were dropped and can be restored; their rows are in _sets, under hidden names.
CREATE TABLE data._mlbox.dropped_definitions (
    drop_key VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (drop_key, version)
);
