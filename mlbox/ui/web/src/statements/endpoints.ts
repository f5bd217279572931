/** Statements behind the pages about endpoints. */

import { lines, literal, where } from "./quote";

export interface EndpointKey {
  project: string;
  name: string;
}

/** By which clock predictions are put into buckets: when it happened, or when the request arrived. */
export type Clock = "event_time" | "predicted_at";

const COLUMNS = `project, name, state, model, model_version, feature_vector, url, log_percent,
       requests, errors, unrecorded, p50_ms, p99_ms, last_request, comment, kind, "function",
       serving, ensemble, shadow, impute, preprocess, postprocess, options, path`;

/** Within its project an object goes by its name alone, elsewhere the project stands before it. */
const names = (key: EndpointKey, column: string, project: string): string =>
  `(${column} = ${literal(`${key.project}.${key.name}`)} OR (${project} = ${literal(key.project)} AND ${column} = ${literal(key.name)}))`;

const ofEndpoint = (key: EndpointKey): string => `project = ${literal(key.project)} AND endpoint = ${literal(key.name)}`;

export const listEndpoints = (project: string): string =>
  lines(
    `SELECT ${COLUMNS}`,
    "FROM ml.endpoints",
    where([project && `project = ${literal(project)}`]),
    "ORDER BY project, name",
  );

export const getEndpoint = (key: EndpointKey): string =>
  lines(
    `SELECT ${COLUMNS}`,
    "FROM ml.endpoints",
    `WHERE project = ${literal(key.project)} AND name = ${literal(key.name)}`,
  );

/** From when to when there are predictions, by both clocks. */
export const predictionSpan = (key: EndpointKey): string =>
  lines(
    `SELECT min(event_time) AS first_event, max(event_time) AS last_event,
       min(predicted_at) AS first_arrival, max(predicted_at) AS last_arrival, count(*) AS n`,
    "FROM ml.predictions",
    `WHERE ${ofEndpoint(key)}`,
  );

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const WIDTHS: readonly (readonly [string, number])[] = [
  ["1 second", SECOND],
  ["5 seconds", 5 * SECOND],
  ["15 seconds", 15 * SECOND],
  ["1 minute", MINUTE],
  ["5 minutes", 5 * MINUTE],
  ["15 minutes", 15 * MINUTE],
  ["1 hour", HOUR],
  ["3 hours", 3 * HOUR],
  ["6 hours", 6 * HOUR],
  ["1 day", DAY],
  ["7 days", 7 * DAY],
  ["28 days", 28 * DAY],
];

/** The narrowest bucket which cuts `span` milliseconds into at most `most` parts. */
export function bucketFor(span: number, most = 80): { interval: string; ms: number } {
  const found = WIDTHS.find(([, ms]) => span / ms <= most) ?? (["1 year", 365 * DAY] as const);
  return { interval: found[0], ms: found[1] };
}

/** Requests, errors and latency quantiles in buckets of `interval`. Shadow predictions answer nobody and are left out. */
export const traffic = (key: EndpointKey, clock: Clock, interval: string): string =>
  lines(
    `SELECT time_bucket(INTERVAL '${interval}', ${clock}) AS bucket,
       count(DISTINCT request_id) AS requests,
       count(DISTINCT request_id) FILTER (WHERE error IS NOT NULL) AS errors,
       quantile_cont(latency_ms, 0.5) AS p50_ms,
       quantile_cont(latency_ms, 0.99) AS p99_ms`,
    "FROM ml.predictions",
    `WHERE ${ofEndpoint(key)} AND NOT coalesce(shadow, false)`,
    "GROUP BY bucket ORDER BY bucket",
  );

/** Moves of the aliases of the models served here, and the first event that the version moved to has answered. */
export const aliasMoves = (key: EndpointKey): string => `WITH share AS (
  SELECT unnest(CAST(serving AS JSON[])) AS served
  FROM ml.endpoints WHERE project = ${literal(key.project)} AND name = ${literal(key.name)}
), model AS (
  SELECT DISTINCT served ->> 'project' AS project, served ->> 'name' AS name FROM share
)
SELECT m.name AS model, m.alias, m.from_version, m.to_version, m.moved_at, m.moved_by,
       (SELECT min(p.event_time) FROM ml.predictions AS p
        WHERE p.project = ${literal(key.project)} AND p.endpoint = ${literal(key.name)}
          AND p.model_version = m.to_version AND p.predicted_at >= m.moved_at) AS first_event
FROM ml.model_alias_moves AS m
JOIN model ON model.project = m.project AND lower(model.name) = lower(m.name)
ORDER BY m.moved_at`;

/** What it was sent last and could answer: the best example of a request. */
export const lastInputs = (key: EndpointKey): string =>
  lines(
    "SELECT inputs",
    "FROM ml.predictions",
    `WHERE ${ofEndpoint(key)} AND status = 'ok' AND NOT coalesce(shadow, false)`,
    "ORDER BY predicted_at DESC LIMIT 1",
  );

/** Requests, latency and predictions of each model that has answered or listened. */
export const armsOf = (key: EndpointKey): string =>
  lines(
    `SELECT model, model_version, coalesce(shadow, false) AS shadow, count(DISTINCT request_id) AS requests,
       count(DISTINCT request_id) FILTER (WHERE status = 'error') AS errors,
       quantile_cont(latency_ms, 0.5) AS p50_ms, quantile_cont(latency_ms, 0.99) AS p99_ms,
       avg(prediction) AS mean_prediction, max(predicted_at) AS last_at`,
    "FROM ml.predictions",
    `WHERE ${ofEndpoint(key)}`,
    "GROUP BY ALL ORDER BY 3, 4 DESC, 2 DESC LIMIT 20",
  );

export const LATEST = 10;

/** The latest rows of the prediction log. */
export const latestPredictions = (key: EndpointKey, failed: boolean): string =>
  lines(
    `SELECT request_id, row_id, predicted_at, model, model_version, coalesce(shadow, false) AS shadow, status, error,
       inputs, prediction, outputs, latency_ms`,
    "FROM ml.predictions",
    `WHERE ${ofEndpoint(key)}${failed ? " AND status = 'error'" : ""}`,
    `ORDER BY predicted_at DESC LIMIT ${LATEST}`,
  );

/** What brings rows to this endpoint besides HTTP. */
export const feedsOf = (key: EndpointKey): string =>
  lines(
    `SELECT name, state, kind, source, query, cron, every_seconds, target, lag, events, results, refused, error,
       last_event_at`,
    "FROM ml.feeds",
    `WHERE ${ofEndpoint(key)}`,
    "ORDER BY name",
  );

/** The monitors on this endpoint, whether or not they have computed anything. */
export const monitorsOf = (key: EndpointKey): string =>
  lines(
    "SELECT m.project, m.name, m.metrics, m.state, m.last_window_end",
    "FROM ml.monitors AS m",
    `WHERE m.target_kind = 'endpoint' AND ${names(key, "m.target", "m.project")}`,
    "ORDER BY m.project, m.name",
  );

/** Which metrics the monitors of this endpoint have computed, and for which segments. */
export const driftKinds = (key: EndpointKey): string =>
  lines(
    `SELECT DISTINCT project, monitor, metric, feature IS NOT NULL AS per_feature, segment`,
    "FROM ml.drift",
    `WHERE ${names(key, "target", "project")}`,
    "ORDER BY project, monitor, metric, segment NULLS FIRST",
  );

interface MonitorKey {
  project: string;
  monitor: string;
  /** Null: all rows. */
  segment: string | null;
}

const ofSegment = (segment: string | null): string =>
  segment === null ? "segment IS NULL" : `segment = ${literal(segment)}`;

/** One metric, feature by window, of the latest `most` windows. */
export function driftByFeature(kind: MonitorKey & { metric: string }, most = 60): string {
  return lines(
    "SELECT window_start, window_end, metric, feature, value, n",
    "FROM ml.drift",
    `WHERE project = ${literal(kind.project)} AND monitor = ${literal(kind.monitor)} AND metric = ${literal(kind.metric)}`,
    `  AND feature IS NOT NULL AND ${ofSegment(kind.segment)}`,
    `QUALIFY dense_rank() OVER (ORDER BY window_start DESC) <= ${most}`,
    "ORDER BY feature, window_start",
  );
}

/** Metrics of a window as a whole: auc, accuracy, missing labels. */
export const wholeWindowMetrics = (kind: MonitorKey): string =>
  lines(
    "SELECT window_start, window_end, metric, feature, value, n",
    "FROM ml.drift",
    `WHERE project = ${literal(kind.project)} AND monitor = ${literal(kind.monitor)}`,
    `  AND feature IS NULL AND ${ofSegment(kind.segment)}`,
    "ORDER BY metric, window_start",
    "LIMIT 2000",
  );

/** Alerts of the endpoint and of the monitors on it. */
export const alertsOf = (key: EndpointKey): string => `SELECT a.project, a.name, a.severity, a.condition, a.state FROM ml.alerts AS a
  WHERE (a.on_kind = 'endpoint' AND ${names(key, "a.on_name", "a.project")})
     OR (a.on_kind = 'monitor' AND EXISTS (
           SELECT 1 FROM ml.monitors AS m
           WHERE (a.on_name = m.project || '.' || m.name OR (a.project = m.project AND a.on_name = m.name))
             AND m.target_kind = 'endpoint' AND ${names(key, "m.target", "m.project")}))`;

export const activations = (key: EndpointKey): string =>
  lines(
    `WITH alert AS (
  ${alertsOf(key)}
)`,
    "SELECT v.id, v.alert, l.severity, v.raised_at, v.window_end, v.reason, v.actions, v.outcome",
    "FROM ml.alert_activations AS v",
    "JOIN alert AS l ON l.project = v.project AND l.name = v.alert",
    "ORDER BY v.raised_at DESC",
    "LIMIT 50",
  );

/** Workflow runs which began after an activation whose action starts that workflow, with their steps. */
export const triggeredWorkflows = (key: EndpointKey): string =>
  lines(
    `WITH alert AS (
  ${alertsOf(key)}
), action AS (
  SELECT v.project, v.raised_at, unnest(v.actions) AS statement
  FROM ml.alert_activations AS v JOIN alert AS l ON l.project = v.project AND l.name = v.alert
), started AS (
  SELECT w.* FROM ml.workflow_runs AS w
  WHERE EXISTS (
      SELECT 1 FROM action AS a
      WHERE a.project = w.project AND a.raised_at <= w.started_at
        AND regexp_matches(a.statement, 'run\\s+workflow\\s+([a-z0-9_]+\\.)?"?' || w.workflow || '\\b', 'i'))
  ORDER BY w.started_at DESC LIMIT 10
)
SELECT w.id AS workflow_run_id, w.workflow, w.state AS run_state, w.started_at AS run_started_at,
       w.duration_ms AS run_duration_ms, w.reason AS run_reason,
       s.step, s.state, s.run_id, s.statement, s.message, s.error, s.started_at, s.finished_at
FROM started AS w
LEFT JOIN ml.steps AS s ON s.project = w.project AND s.workflow_run_id = w.id
ORDER BY w.started_at DESC, w.id, s.started_at NULLS LAST`,
  );
