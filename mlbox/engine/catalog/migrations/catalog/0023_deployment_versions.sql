-- What a deployment goes back to when a new version does not answer, and why one did not. bundle is that of version.
ALTER TABLE catalog.main.deployments ADD COLUMN version VARCHAR;
ALTER TABLE catalog.main.deployments ADD COLUMN previous VARCHAR;
ALTER TABLE catalog.main.deployments ADD COLUMN problem VARCHAR;
