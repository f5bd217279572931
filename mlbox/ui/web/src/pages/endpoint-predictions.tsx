/** What an endpoint was asked lately and what it said, and how each of its models does. */

import { type ReactNode, useState } from "react";
import { asObject } from "../api";
import { Choice } from "../components/choice";
import { Nothing } from "../components/nothing";
import { Pairs } from "../components/pairs";
import { Panel } from "../components/panel";
import { Table } from "../components/table";
import { Ago } from "../components/time";
import { milliseconds, number } from "../format";
import { useStatement } from "../live/statement";
import type { ArmRow, PredictionRow } from "../rows";
import { armsOf, type EndpointKey, LATEST, latestPredictions } from "../statements/endpoints";

interface Props {
  endpoint: EndpointKey;
  /** Changes with each request. */
  revision: string;
}

const named = (row: { model: string | null; model_version: number | null }): string =>
  row.model === null ? "–" : row.model_version === null ? row.model : `${row.model}@${row.model_version}`;

/** Requests by the model that answered: where traffic is split, where a shadow listens, or where versions have changed. */
export function ArmsPanel({ endpoint, revision }: Props): ReactNode {
  const answer = useStatement<ArmRow>(armsOf(endpoint), { events: ["endpoint.", "model."], on: revision });
  const rows = answer.rows ?? [];
  if (rows.length < 2 && answer.error === null) return null;
  return (
    <Panel title="By model" answers={[answer]}>
      <Table
        label="Requests by model"
        rows={rows}
        rowKey={(row) => `${named(row)} ${row.shadow}`}
        columns={[
          { key: "model", title: "Model", head: true, cell: (row) => (row.model === null ? "none: the request failed" : named(row)) },
          { key: "role", title: "Role", cell: (row) => (row.model === null ? <Nothing /> : row.shadow ? "shadow" : "answers") },
          { key: "requests", title: "Requests", right: true, cell: (row) => number(row.requests) },
          { key: "errors", title: "Errors", right: true, cell: (row) => number(row.errors) },
          { key: "p50", title: "p50", right: true, className: "nowrap", cell: (row) => milliseconds(row.p50_ms) },
          { key: "p99", title: "p99", right: true, className: "nowrap", cell: (row) => milliseconds(row.p99_ms) },
          { key: "mean", title: "Mean prediction", right: true, cell: (row) => number(row.mean_prediction) },
          { key: "last", title: "Last", className: "nowrap", cell: (row) => <Ago time={row.last_at} /> },
        ]}
      />
    </Panel>
  );
}

export function PredictionsPanel({ endpoint, revision }: Props): ReactNode {
  const [failed, setFailed] = useState(false);
  const answer = useStatement<PredictionRow>(latestPredictions(endpoint, failed), { events: ["endpoint."], on: revision });
  const rows = answer.rows ?? [];
  if (rows.length === 0 && !failed && answer.error === null) return null;
  return (
    <Panel
      title="Predictions"
      answers={[answer]}
      note={rows.length === LATEST ? `the latest ${LATEST}` : undefined}
      actions={
        <Choice
          label="Which"
          value={failed ? "failed" : "all"}
          options={[
            { value: "all", label: "All" },
            { value: "failed", label: "Failed" },
          ]}
          onChange={(next) => setFailed(next === "failed")}
        />
      }
    >
      {rows.length === 0 ? (
        <p className="hint">No request has failed.</p>
      ) : (
        <Table
          label="Predictions"
          rows={rows}
          rowKey={(row) => `${row.request_id} ${row.row_id} ${named(row)} ${row.shadow}`}
          columns={[
            { key: "row", title: "Row", head: true, cell: (row) => <code className="id" title={`request ${row.request_id}`}>{row.row_id ?? row.request_id}</code> },
            { key: "at", title: "Answered", className: "nowrap", cell: (row) => <Ago time={row.predicted_at} /> },
            { key: "model", title: "Model", cell: (row) => (row.shadow ? `${named(row)}, shadow` : named(row)) },
            { key: "inputs", title: "Inputs", className: "wide", cell: (row) => <Pairs values={Object.entries(asObject(row.inputs))} /> },
            { key: "said", title: "Answer", className: "wide", cell: (row) => <Said row={row} /> },
            { key: "ms", title: "Time", right: true, className: "nowrap", cell: (row) => milliseconds(row.latency_ms) },
          ]}
        />
      )}
    </Panel>
  );
}

function Said({ row }: { row: PredictionRow }): ReactNode {
  if (row.status === "error") return <span className="bad-text">{row.error}</span>;
  const outputs = asObject(row.outputs);
  const all = Object.entries(row.prediction === null || "prediction" in outputs ? outputs : { prediction: row.prediction, ...outputs });
  return <Pairs values={all} />;
}
