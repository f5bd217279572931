-- Endpoints that answer elsewhere, in containers. bundle is what their replicas are made of, pinned when it was deployed.
CREATE TABLE catalog.main.deployments (
    project VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    engine VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    place VARCHAR NOT NULL,
    image VARCHAR NOT NULL,
    replicas INTEGER NOT NULL,
    max_replicas INTEGER NOT NULL,
    address VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    bundle VARCHAR NOT NULL,
    deployed_at TIMESTAMPTZ NOT NULL,
    deployed_by VARCHAR NOT NULL,
    PRIMARY KEY (project, endpoint, engine)
);
