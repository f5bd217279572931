CREATE TABLE catalog.main.monitors (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    target_kind VARCHAR NOT NULL,
    target_project VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    target_version VARCHAR,
    metrics VARCHAR[] NOT NULL,
    metric_options VARCHAR NOT NULL,
    window_seconds DOUBLE NOT NULL,
    every_seconds DOUBLE,
    segment_by VARCHAR[] NOT NULL,
    labels VARCHAR,
    baseline VARCHAR,
    options VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    next_run TIMESTAMPTZ,
    PRIMARY KEY (project, name)
);
-- What a window was computed from, so that only windows with new rows or new labels are computed again.
CREATE TABLE catalog.main.monitor_windows (
    project VARCHAR NOT NULL,
    monitor VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    n BIGINT NOT NULL,
    labels BIGINT NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, monitor, window_start)
);
-- Empty text instead of NULL for "all segments" and "no feature": both belong to the key.
CREATE TABLE catalog.main.drift (
    project VARCHAR NOT NULL,
    monitor VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    segment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    feature VARCHAR NOT NULL,
    value DOUBLE,
    n BIGINT NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, monitor, window_start, segment, metric, feature)
);
CREATE TABLE catalog.main.alerts (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    on_kind VARCHAR,
    on_project VARCHAR,
    on_name VARCHAR,
    condition VARCHAR NOT NULL,
    for_seconds DOUBLE,
    every_seconds DOUBLE,
    cooldown_seconds DOUBLE,
    severity VARCHAR NOT NULL,
    actions VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    suspended BOOLEAN NOT NULL,
    last_raised TIMESTAMPTZ,
    activations BIGINT NOT NULL,
    definition VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    comment VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    next_run TIMESTAMPTZ,
    PRIMARY KEY (project, name)
);
-- Truth of an alert's condition by window; the alert's state follows from these alone.
CREATE TABLE catalog.main.alert_evaluations (
    project VARCHAR NOT NULL,
    alert VARCHAR NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    truth BOOLEAN,
    PRIMARY KEY (project, alert, window_end)
);
CREATE TABLE catalog.main.alert_activations (
    project VARCHAR NOT NULL,
    alert VARCHAR NOT NULL,
    id VARCHAR PRIMARY KEY,
    raised_at TIMESTAMPTZ NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    reason VARCHAR NOT NULL,
    facts VARIANT,
    actions VARCHAR[] NOT NULL,
    outcome VARCHAR
);
CREATE TABLE catalog.main.notifications (
    project VARCHAR NOT NULL,
    alert VARCHAR NOT NULL,
    activation_id VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    url VARCHAR NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL,
    status VARCHAR NOT NULL,
    error VARCHAR,
    PRIMARY KEY (activation_id, ordinal)
);
