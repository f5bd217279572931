CREATE TABLE catalog.main.workflows (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    steps VARCHAR[] NOT NULL,
    definition VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE TABLE catalog.main.workflow_runs (
    project VARCHAR NOT NULL,
    id VARCHAR PRIMARY KEY,
    workflow VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    reason VARCHAR,
    parameters VARIANT,
    caller VARCHAR NOT NULL,
    door VARCHAR NOT NULL
);
CREATE TABLE catalog.main.steps (
    project VARCHAR NOT NULL,
    workflow_run_id VARCHAR NOT NULL,
    workflow VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    step VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    run_id VARCHAR,
    statement VARCHAR NOT NULL,
    message VARCHAR,
    facts VARIANT,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    error VARCHAR,
    PRIMARY KEY (workflow_run_id, step)
);
CREATE TABLE catalog.main.schedules (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    cron VARCHAR,
    every_seconds DOUBLE,
    timezone VARCHAR NOT NULL,
    statement VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    next_run TIMESTAMPTZ,
    last_run TIMESTAMPTZ,
    last_error VARCHAR,
    PRIMARY KEY (project, name)
);
