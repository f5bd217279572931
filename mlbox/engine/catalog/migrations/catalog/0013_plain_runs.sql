-- ml.runs shows columns as they are kept: a computed one keeps DuckDB from reading single metrics and parameters.
ALTER TABLE catalog.main.runs ALTER COLUMN function DROP NOT NULL;
ALTER TABLE catalog.main.runs ALTER COLUMN function_version DROP NOT NULL;
ALTER TABLE catalog.main.runs ADD COLUMN duration_ms DOUBLE;
UPDATE catalog.main.runs SET function = nullif(function, ''), function_version = nullif(function_version, 0),
    duration_ms = date_diff('microsecond', started_at, finished_at) / 1000.0::DOUBLE;
