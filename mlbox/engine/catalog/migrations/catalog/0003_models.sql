CREATE TABLE catalog.main.models (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    last_version INTEGER NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE catalog.main.model_versions (
    model_id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    run_id VARCHAR,
    artifact_id VARCHAR,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    framework VARCHAR NOT NULL,
    inputs STRUCT(name VARCHAR, type VARCHAR)[] NOT NULL,
    outputs STRUCT(name VARCHAR, type VARCHAR)[] NOT NULL,
    features VARCHAR[] NOT NULL,
    feature_vector VARCHAR,
    metrics MAP(VARCHAR, DOUBLE) NOT NULL,
    feature_stats VARIANT,
    created_at TIMESTAMPTZ NOT NULL,
    comment VARCHAR,
    PRIMARY KEY (model_id, version)
);
CREATE TABLE catalog.main.model_aliases (
    model_id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model_id, alias)
);
CREATE TABLE catalog.main.model_alias_moves (
    id VARCHAR PRIMARY KEY,
    model_id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    from_version INTEGER,
    to_version INTEGER,
    moved_at TIMESTAMPTZ NOT NULL,
    moved_by VARCHAR NOT NULL
);
