ALTER TABLE catalog.main.runs ADD COLUMN experiment VARCHAR;
ALTER TABLE catalog.main.runs ADD COLUMN deleted_at TIMESTAMPTZ;
CREATE TABLE catalog.main.experiments (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    tags VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE TABLE catalog.main.run_inputs (
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    tags VARCHAR NOT NULL,
    PRIMARY KEY (run_id, name, digest)
);
CREATE TABLE catalog.main.logged_models (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    experiment VARCHAR,
    run_id VARCHAR,
    name VARCHAR NOT NULL,
    kind VARCHAR,
    status VARCHAR NOT NULL,
    params VARCHAR NOT NULL,
    tags VARCHAR NOT NULL,
    metrics VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
-- version 0: tags of the model itself
CREATE TABLE catalog.main.model_tags (
    project VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (model_id, version, name)
);
