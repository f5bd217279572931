CREATE TABLE catalog.main.feature_sets (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    online_until TIMESTAMPTZ,
    online_sequence BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE TABLE catalog.main.feature_vectors (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name)
);
