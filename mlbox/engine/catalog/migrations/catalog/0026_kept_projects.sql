-- Rows of dropped projects that can be restored: a table "<drop>.<table>" each, so that whole columns are moved.
CREATE SCHEMA catalog._kept;
-- Under which id a dropped project is kept; NULL: nothing of it is.
ALTER TABLE catalog.main.dropped_projects ADD COLUMN drop_id VARCHAR;
