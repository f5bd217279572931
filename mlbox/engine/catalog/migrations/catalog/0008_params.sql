-- Parameters by name beside the VARIANT of the run: a search over many runs reads two columns instead of every object.
-- No key: runs are written by one thread, and a run's rows lie together, so that its id finds them without an index.
CREATE TABLE catalog.main.params (
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR,
    number DOUBLE
);
INSERT INTO catalog.main.params
SELECT r.project, r.id, e.key, e.value ->> '$',
    CASE WHEN e.type IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN TRY_CAST(e.value ->> '$' AS DOUBLE) END
FROM (SELECT project, id, params FROM catalog.main.runs ORDER BY id) r, json_each(r.params::JSON) e;
