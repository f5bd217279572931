import type { ReactNode } from "react";
import type { Cell } from "../api";
import { Empty } from "../components/notice";
import { Pairs } from "../components/pairs";
import { Panel } from "../components/panel";
import { Table } from "../components/table";
import { number, plural, short } from "../format";
import type { Answer } from "../live/statement";
import type { MetricSummary, ParamRow } from "../rows";

interface ParametersProps {
  answer: Answer<ParamRow>;
  labels: [string, Cell][];
  note: string | null | undefined;
  isSweep: boolean;
}

export function ParametersPanel({ answer, labels, note, isSweep }: ParametersProps): ReactNode {
  const rows = answer.rows ?? [];
  return (
    <Panel title="Parameters" answers={[answer]} note={rows.length > 0 && plural(rows.length, "parameter")}>
      {rows.length > 0 ? (
        <Table
          label="Parameters"
          narrow="scroll"
          rows={rows}
          rowKey={(row) => row.name}
          columns={[
            { key: "name", title: "Name", cell: (row) => row.name },
            { key: "value", title: "Value", className: "value", cell: (row) => row.value ?? "null" },
          ]}
        />
      ) : isSweep ? (
        <Empty title="Each trial has its own parameters" />
      ) : (
        <Empty title="No parameters" statement="RUN train WITH (learning_rate = 0.1, trees = 200);" />
      )}
      {note && <p className="labels">Note {note}</p>}
      {labels.length > 0 && (
        <p className="labels">
          Labels <Pairs values={labels} most={12} />
        </p>
      )}
    </Panel>
  );
}

interface MetricsProps {
  answer: Answer<MetricSummary>;
  latest: [string, Cell][];
  /** The statement which gives `latest`. */
  ofRun: string;
}

/** The run's latest metrics, with the range of their history where they have one. */
export function MetricsPanel({ answer, latest, ofRun }: MetricsProps): ReactNode {
  const history = new Map((answer.rows ?? []).map((row) => [row.name, row]));
  const values = new Map(latest);
  const names = [...new Set([...values.keys(), ...history.keys()])].sort();
  const rows = names.map((name) => ({ name, value: values.get(name) ?? history.get(name)?.latest ?? null, history: history.get(name) }));
  const ranged = rows.some((row) => (row.history?.points ?? 0) > 1);
  return (
    <Panel
      title="Metrics"
      answers={[{ ...answer, sql: ofRun }, answer]}
      note={rows.length > 0 && `${plural(rows.length, "metric")}, latest values`}
    >
      {rows.length > 0 ? (
        <Table
          label="Metrics"
          narrow="scroll"
          rows={rows}
          rowKey={(row) => row.name}
          columns={[
            { key: "name", title: "Name", cell: (row) => row.name },
            { key: "value", title: "Latest", right: true, className: "value", cell: (row) => short(row.value) },
            ...(ranged
              ? [
                  { key: "low", title: "Lowest", right: true, cell: (row: (typeof rows)[number]) => number(row.history?.lowest) },
                  { key: "high", title: "Highest", right: true, cell: (row: (typeof rows)[number]) => number(row.history?.highest) },
                  { key: "n", title: "Points", right: true, cell: (row: (typeof rows)[number]) => number(row.history?.points) },
                ]
              : []),
          ]}
        />
      ) : (
        <Empty title="No metrics" statement={'ctx.log_metric("auc", 0.93, step=1)'}>
          <p>The handler logs them while it runs:</p>
        </Empty>
      )}
    </Panel>
  );
}
