CREATE SCHEMA data._sets;
-- Definitions stand beside the rows, in the same file, so that both are committed at once; the catalog follows.
CREATE TABLE data._mlbox.feature_definitions (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name, version)
);
CREATE TABLE data._mlbox.ingests (
    id VARCHAR PRIMARY KEY,
    set_id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    feature_set VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    added BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    first_event TIMESTAMPTZ,
    last_event TIMESTAMPTZ,
    last_known TIMESTAMPTZ,
    last_sequence BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    duration_ms DOUBLE NOT NULL
);
CREATE TABLE data._mlbox.feature_stats (
    ingest_id VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    column_name VARCHAR NOT NULL,
    row_count BIGINT,
    nulls BIGINT,
    distinct_count BIGINT,
    min DOUBLE,
    mean DOUBLE,
    max DOUBLE,
    stddev DOUBLE,
    quantiles DOUBLE[],
    histogram_edges DOUBLE[],
    histogram_counts BIGINT[],
    top VARCHAR[],
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (ingest_id, column_name)
);
