-- The same as the three VARIANT columns, as text: DuckDB puts an object together from its columns in the time in which it
-- reads many texts, and whoever shows or knows a run wants all of it. Not compressed: a hundred rows out of ten thousand
-- are to be read, not all of them. The table is made anew, for only then can a column say how it is stored.
ALTER TABLE catalog.main.runs RENAME TO runs_before;
CREATE TABLE catalog.main.runs (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    name VARCHAR,
    function VARCHAR,
    function_version INTEGER,
    handler VARCHAR,
    runtime VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    parent_id VARCHAR,
    attempt INTEGER NOT NULL,
    params VARIANT NOT NULL,
    metrics VARIANT NOT NULL,
    labels VARIANT NOT NULL,
    reason VARCHAR,
    error_type VARCHAR,
    error VARCHAR,
    traceback VARCHAR,
    progress DOUBLE,
    best_trial VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    request VARCHAR NOT NULL,
    outcome VARCHAR,
    handle VARCHAR,
    experiment VARCHAR,
    deleted_at TIMESTAMPTZ,
    duration_ms DOUBLE,
    note VARCHAR,
    params_json JSON USING COMPRESSION uncompressed,
    metrics_json JSON USING COMPRESSION uncompressed,
    labels_json JSON USING COMPRESSION uncompressed
);
INSERT INTO catalog.main.runs SELECT *, params::JSON, metrics::JSON, labels::JSON FROM catalog.main.runs_before ORDER BY id;
DROP TABLE catalog.main.runs_before;
