/** Statements behind the pages about runs. Each is shown by the panel which it fills. */

import { lines, literal, literals, where } from "./quote";

export interface RunFilter {
  /** Empty: all projects. */
  project: string;
  /** Empty: all states. */
  state: string;
  /** Part of a run's name or function, or the start of its id. */
  search: string;
}

const COLUMNS = `r.project, r.id, r.name, r."function", r.function_version, r.state, r.parent_id, r.params, r.metrics,
       r.progress, r.created_at, r.started_at, r.finished_at, r.duration_ms, r.best_trial`;

export const PAGE_SIZE = 25;
export const LIVE_STATES = ["pending", "preparing", "running"] as const;
export const RUN_STATES = [...LIVE_STATES, "completed", "error", "cancelled", "interrupted"] as const;

function matching(filter: RunFilter): string[] {
  const found: string[] = [];
  if (filter.project) found.push(`r.project = ${literal(filter.project)}`);
  const search = filter.search.trim().toLowerCase();
  if (search) {
    const text = literal(search);
    found.push(`(contains(lower(r.name), ${text}) OR contains(lower(r."function"), ${text}) OR starts_with(r.id, ${text}))`);
  }
  return found;
}

export const listProjects = (): string => "SELECT name, comment FROM ml.projects ORDER BY name";

/** A page of top-level runs, newest first, with the number of trials below each. */
export function listRuns(filter: RunFilter, page: number): string {
  return lines(
    `SELECT ${COLUMNS},
       t.trials, t.failed_trials
FROM ml.runs AS r
LEFT JOIN (
  SELECT parent_id, count(*) AS trials, count(*) FILTER (WHERE state = 'error') AS failed_trials
  FROM ml.runs WHERE parent_id IS NOT NULL GROUP BY parent_id
) AS t ON t.parent_id = r.id`,
    where(["r.parent_id IS NULL", ...matching(filter), filter.state && `r.state = ${literal(filter.state)}`]),
    "ORDER BY r.created_at DESC, r.id DESC",
    `LIMIT ${PAGE_SIZE} OFFSET ${page * PAGE_SIZE}`,
  );
}

/** How many top-level runs are in each state; the state filter itself does not count. */
export function countRuns(filter: RunFilter): string {
  return lines(
    "SELECT r.state, count(*) AS n",
    "FROM ml.runs AS r",
    where(["r.parent_id IS NULL", ...matching(filter)]),
    "GROUP BY r.state ORDER BY r.state",
  );
}

/** The trials of some sweeps, in the order in which they were made. */
export function listTrials(parents: readonly string[]): string {
  return lines(
    `SELECT ${COLUMNS}`,
    "FROM ml.runs AS r",
    `WHERE r.parent_id IN (${literals(parents)})`,
    "ORDER BY r.created_at, r.id",
    "LIMIT 500",
  );
}

export function getRun(id: string): string {
  return lines(
    `SELECT ${COLUMNS},
       r.handler, r.attempt, r.runtime, r.labels, r.reason, r.error_type, r.error, r.traceback, r.note`,
    "FROM ml.runs AS r",
    id.length < 32 ? `WHERE starts_with(r.id, ${literal(id)})` : `WHERE r.id = ${literal(id)}`,
    "LIMIT 1",
  );
}

export const runParameters = (id: string): string =>
  lines("SELECT name, value", "FROM ml.params", `WHERE run_id = ${literal(id)}`, "ORDER BY name");

/** Latest, lowest and highest value of each metric, out of its history. */
export const metricSummary = (id: string): string =>
  lines(
    `SELECT name, arg_max(value, (coalesce(step, -1), logged_at)) AS latest,
       min(value) AS lowest, max(value) AS highest, count(*) AS points`,
    "FROM ml.metrics",
    `WHERE run_id = ${literal(id)}`,
    "GROUP BY name ORDER BY name",
  );

/** Points of every metric of a run or of its trials, thinned to some hundreds a curve; the last one always stays. */
export function metricHistory(id: string, ofTrials: boolean, points = 300): string {
  const runs = ofTrials
    ? `run_id IN (SELECT id FROM ml.runs WHERE parent_id = ${literal(id)})`
    : `run_id = ${literal(id)}`;
  return `WITH point AS (
  SELECT run_id, name, step, value,
         row_number() OVER w AS i,
         count(*) OVER (PARTITION BY run_id, name) AS n
  FROM ml.metrics
  WHERE ${runs}
  WINDOW w AS (PARTITION BY run_id, name ORDER BY step NULLS LAST, logged_at)
)
SELECT run_id, name, step, i, value
FROM point
WHERE (i - 1) % greatest(1, n // ${points}) = 0 OR i = n
ORDER BY name, run_id, i`;
}

/** What a run was made from, and what became of it, two steps on. */
export function runLineage(id: string): string {
  const run = literal(id);
  return `WITH RECURSIVE reach(direction, depth, kind, ref, detail) AS (
  SELECT 'made from', 1, from_kind, from_ref, detail FROM ml.lineage WHERE to_kind = 'run' AND to_ref = ${run}
  UNION
  SELECT 'became', 1, to_kind, to_ref, detail FROM ml.lineage WHERE from_kind = 'run' AND from_ref = ${run}
  UNION
  SELECT r.direction, r.depth + 1, l.to_kind, l.to_ref, l.detail
  FROM reach AS r JOIN ml.lineage AS l ON l.from_kind = r.kind AND l.from_ref = r.ref
  WHERE r.direction = 'became' AND r.depth < 3
)
SELECT direction, min(depth) AS depth, kind, ref, any_value(CAST(detail AS VARCHAR)) AS detail
FROM reach
GROUP BY direction, kind, ref
ORDER BY direction DESC, depth, kind, ref
LIMIT 50`;
}
