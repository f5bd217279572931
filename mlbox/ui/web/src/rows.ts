/** Rows of the public `ml` views, as the statements in `statements/` select them. Times are ISO 8601 texts. */

import type { Cell } from "./api";

export interface ProjectRow {
  name: string;
  comment: string | null;
}

export interface RunRow {
  project: string;
  id: string;
  name: string | null;
  function: string | null;
  function_version: number | null;
  state: string;
  parent_id: string | null;
  params: Cell;
  metrics: Cell;
  progress: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  duration_ms: number | null;
  best_trial: string | null;
}

export interface RunListRow extends RunRow {
  trials: number | null;
  failed_trials: number | null;
}

export interface RunDetailRow extends RunRow {
  handler: string | null;
  attempt: number | null;
  runtime: string | null;
  labels: Cell;
  reason: string | null;
  error_type: string | null;
  error: string | null;
  traceback: string | null;
  note?: string | null;
}

export interface StateCount {
  state: string;
  n: number;
}

export interface ParamRow {
  name: string;
  value: string | null;
}

export interface MetricSummary {
  name: string;
  latest: number | null;
  lowest: number | null;
  highest: number | null;
  points: number;
}

export interface MetricPoint {
  run_id: string;
  name: string;
  step: number | null;
  i: number;
  value: number | null;
}

export interface ArtifactRow {
  id: string;
  name: string;
  kind: string;
  version: number | null;
  digest: string;
  size: number;
  media_type: string | null;
  file_name: string | null;
  created_at: string;
}

/** What is known of an artifact beside its bytes. */
export interface MetadataRow {
  project: string;
  metadata: Cell;
}

export interface LineageRow {
  direction: "made from" | "became";
  depth: number;
  kind: string;
  ref: string;
  detail: string | null;
}

export interface EndpointRow {
  project: string;
  name: string;
  state: string;
  model: string | null;
  model_version: number | null;
  feature_vector: string | null;
  url: string | null;
  log_percent: number | null;
  requests: number;
  errors: number;
  unrecorded: number;
  p50_ms: number | null;
  p99_ms: number | null;
  last_request: string | null;
  comment: string | null;
  kind: string | null;
  function: string | null;
  serving: string | null;
  ensemble: string | null;
  shadow: string | null;
  impute: string | null;
  preprocess: string | null;
  postprocess: string | null;
  options: string | null;
  path: string | null;
}

export interface ArmRow {
  model: string | null;
  model_version: number | null;
  shadow: boolean;
  requests: number;
  errors: number;
  p50_ms: number | null;
  p99_ms: number | null;
  mean_prediction: number | null;
  last_at: string;
}

export interface PredictionRow {
  request_id: string;
  row_id: string | null;
  predicted_at: string;
  model: string | null;
  model_version: number | null;
  shadow: boolean;
  status: string;
  error: string | null;
  inputs: Cell;
  prediction: number | null;
  outputs: Cell;
  latency_ms: number;
}

export interface SpanRow {
  first_event: string | null;
  last_event: string | null;
  first_arrival: string | null;
  last_arrival: string | null;
  n: number;
}

export interface TrafficRow {
  bucket: string;
  requests: number;
  errors: number;
  p50_ms: number | null;
  p99_ms: number | null;
}

export interface MoveRow {
  model: string;
  alias: string;
  from_version: number | null;
  to_version: number | null;
  moved_at: string;
  moved_by: string | null;
  first_event: string | null;
}

export interface MonitorRow {
  project: string;
  name: string;
}

export interface FeedRow {
  name: string;
  state: string;
  kind: string;
  source: string | null;
  query: string | null;
  cron: string | null;
  every_seconds: number | null;
  target: string | null;
  lag: number | null;
  events: number;
  results: number;
  refused: number;
  error: string | null;
  last_event_at: string | null;
}

export interface AlertRow {
  project: string;
  name: string;
  severity: string | null;
  condition: string;
  state: string;
}

export interface DriftKind {
  project: string;
  monitor: string;
  metric: string;
  per_feature: boolean;
  segment: string | null;
}

export interface DriftRow {
  window_start: string;
  window_end: string;
  feature: string | null;
  metric: string;
  value: number | null;
  n: number | null;
}

export interface ActivationRow {
  id: string;
  alert: string;
  severity: string | null;
  raised_at: string;
  window_end: string | null;
  reason: string | null;
  actions: Cell;
  outcome: string | null;
}

export interface WorkflowStepRow {
  workflow_run_id: string;
  workflow: string;
  run_state: string;
  run_started_at: string | null;
  run_duration_ms: number | null;
  run_reason: string | null;
  step: string | null;
  state: string | null;
  run_id: string | null;
  statement: string | null;
  message: string | null;
  error: string | null;
  started_at: string | null;
  finished_at: string | null;
}

/** A column of a table or view that statements may name. */
export interface ColumnRow {
  project: string;
  relation: string;
  is_view: boolean;
  name: string;
  type: string;
  description: string | null;
  unit: string | null;
  view_description: string | null;
}
