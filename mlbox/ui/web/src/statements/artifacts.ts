/** Statements behind what is shown of artifacts. */

import { lines, literal } from "./quote";

export const runArtifacts = (id: string): string =>
  lines(
    "SELECT id, name, kind, version, digest, size, media_type, file_name, created_at",
    "FROM ml.artifacts",
    `WHERE run_id = ${literal(id)}`,
    "ORDER BY created_at, name",
  );

/** What is known of an artifact: schema, statistics, signature, files. */
export const artifactMetadata = (id: string): string =>
  lines("SELECT project, metadata", "FROM ml.artifacts", `WHERE id = ${literal(id)}`);

/** Which parameter of a sweep mattered: shares of 1 by name. */
export const sweepImportance = (id: string): string =>
  lines("SELECT project, metadata", "FROM ml.artifacts", `WHERE run_id = ${literal(id)} AND name = 'importance' AND kind = 'table'`, "ORDER BY version DESC LIMIT 1");

/** Rows of a data set. */
export const datasetRows = (project: string, name: string, version: number | null): string =>
  lines("SELECT *", `FROM ml.dataset(${literal(`${project}.${name}${version === null ? "" : `@${version}`}`)})`, "LIMIT 20");
