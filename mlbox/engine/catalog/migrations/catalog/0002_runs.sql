CREATE TABLE catalog.main.functions (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    handler VARCHAR,
    handlers VARCHAR[] NOT NULL,
    runtime VARCHAR NOT NULL,
    requirements VARCHAR[] NOT NULL,
    digest VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    dropped_at TIMESTAMPTZ,
    PRIMARY KEY (project, name, version)
);
CREATE TABLE catalog.main.runs (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    name VARCHAR,
    function VARCHAR NOT NULL,
    function_version INTEGER NOT NULL,
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
    handle VARCHAR
);
CREATE TABLE catalog.main.run_attempts (
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    reason VARCHAR,
    error_type VARCHAR,
    error VARCHAR,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, attempt)
);
CREATE TABLE catalog.main.run_tokens (
    project VARCHAR NOT NULL,
    run_id VARCHAR PRIMARY KEY,
    digest VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE catalog.main.run_batches (
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    batch VARCHAR NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, batch)
);
-- Rows are keyed (run_id, batch, ordinal): run_batches lets a batch in once, so an index of a row each is not needed.
CREATE TABLE catalog.main.metrics (
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    batch VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    step BIGINT,
    value DOUBLE NOT NULL,
    logged_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE catalog.main.artifacts (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    run_id VARCHAR,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    media_type VARCHAR,
    file_name VARCHAR,
    metadata VARIANT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
