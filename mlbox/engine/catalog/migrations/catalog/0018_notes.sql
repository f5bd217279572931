-- A note of a run, which MLflow's clients keep as a tag; and names for versions of functions.
ALTER TABLE catalog.main.runs ADD COLUMN note VARCHAR;
UPDATE catalog.main.runs SET note = labels::JSON ->> '$."mlflow.note.content"',
    labels = json_merge_patch(labels::JSON, '{"mlflow.note.content": null}')::JSON::VARIANT
WHERE json_exists(labels::JSON, '$."mlflow.note.content"');
CREATE TABLE catalog.main.function_aliases (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (project, name, alias)
);
