CREATE TABLE catalog.main.endpoints (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    serving VARCHAR NOT NULL,
    shares STRUCT(project VARCHAR, name VARCHAR, version VARCHAR, weight DOUBLE)[] NOT NULL,
    ensemble VARCHAR,
    shadow STRUCT(project VARCHAR, name VARCHAR, version VARCHAR, weight DOUBLE),
    vector_project VARCHAR,
    vector_name VARCHAR,
    impute VARCHAR NOT NULL,
    log_percent DOUBLE NOT NULL,
    options VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);
