/** Statements behind the schema browser of the SQL page. */

import { identifier, lines } from "./quote";

/** Every column of every table and view that statements may name; those of ml with what they mean. */
export const listColumns = (): string =>
  lines(
    `SELECT CASE c.database_name WHEN 'catalog' THEN 'ml' ELSE c.schema_name END AS project,
       c.table_name AS relation, v.view_name IS NOT NULL AS is_view, c.column_name AS name, c.data_type AS type,
       d.description, d.unit, d.view_description
FROM duckdb_columns() AS c
LEFT JOIN duckdb_views() AS v
  ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name
LEFT JOIN ml.columns AS d
  ON c.database_name = 'catalog' AND d.view_name = c.table_name AND d.column_name = c.column_name`,
    "WHERE (c.database_name = 'data' AND NOT starts_with(c.schema_name, '_'))",
    "  OR (c.database_name = 'catalog' AND c.schema_name = 'ml')",
    "ORDER BY project, relation, c.column_index",
    "LIMIT 20000",
  );

/** A relation as a statement of the project in use names it. */
export const relationName = (project: string, relation: string, current: string): string =>
  project === current ? identifier(relation) : `${identifier(project)}.${identifier(relation)}`;
