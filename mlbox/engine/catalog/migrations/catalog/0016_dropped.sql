-- What was dropped and can still be restored. Runs and functions stay in their tables, marked; rows of other kinds are
-- kept here as they were, one VARIANT a row, so that no reader of their tables has to leave them out.
CREATE TABLE catalog.main.dropped (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version VARCHAR,
    object VARCHAR NOT NULL,
    dropped_at TIMESTAMPTZ NOT NULL,
    dropped_by VARCHAR NOT NULL
);
CREATE TABLE catalog.main.dropped_rows (
    project VARCHAR NOT NULL,
    drop_id VARCHAR NOT NULL,
    of_table VARCHAR NOT NULL,
    body VARIANT NOT NULL
);
INSERT INTO catalog.main.dropped
SELECT uuid()::VARCHAR, project, 'function', any_value(name), CASE WHEN count(*) = 1 THEN any_value(version)::VARCHAR END,
    any_value(name), dropped_at, ''
FROM catalog.main.functions WHERE dropped_at IS NOT NULL GROUP BY project, lower(name), dropped_at;
