ALTER TABLE catalog.main.endpoints ADD COLUMN parts VARCHAR DEFAULT '{}';
