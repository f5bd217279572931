CREATE TABLE catalog.main.projects (
    name VARCHAR PRIMARY KEY,
    comment VARCHAR,
    owner VARCHAR,
    source VARCHAR,
    options VARIANT,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE catalog.main.lineage (
    project VARCHAR NOT NULL,
    from_kind VARCHAR NOT NULL,
    from_ref VARCHAR NOT NULL,
    to_kind VARCHAR NOT NULL,
    to_ref VARCHAR NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    detail VARCHAR,
    PRIMARY KEY (project, from_kind, from_ref, to_kind, to_ref)
);
CREATE TABLE catalog.main.audit (
    id VARCHAR PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL,
    caller VARCHAR NOT NULL,
    door VARCHAR NOT NULL,
    project VARCHAR,
    statement VARCHAR NOT NULL,
    object VARCHAR,
    outcome VARCHAR NOT NULL,
    error VARCHAR,
    duration_ms DOUBLE
);
CREATE TABLE catalog.main.events (
    id VARCHAR PRIMARY KEY,
    happened_at TIMESTAMPTZ NOT NULL,
    kind VARCHAR NOT NULL,
    project VARCHAR,
    object VARCHAR,
    data VARIANT
);
