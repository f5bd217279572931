/** Alerts raised for an endpoint, and the workflows that they started. */

import type { ReactNode } from "react";
import type { Cell } from "../api";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Nothing } from "../components/nothing";
import { Panel } from "../components/panel";
import { State } from "../components/state";
import { Table } from "../components/table";
import { Ago } from "../components/time";
import { duration, plural, shortInstant } from "../format";
import { useStatement } from "../live/statement";
import type { ActivationRow, AlertRow, WorkflowStepRow } from "../rows";
import { activations, alertsOf, type EndpointKey, triggeredWorkflows } from "../statements/endpoints";

const FRESH = { events: ["alert.", "monitor."], every: 10_000 };

export function AlertsPanel({ endpoint }: { endpoint: EndpointKey }): ReactNode {
  const answer = useStatement<ActivationRow>(activations(endpoint), FRESH);
  const alerts = useStatement<AlertRow>(alertsOf(endpoint), FRESH);
  const rows = answer.rows ?? [];
  const set = alerts.rows ?? [];
  return (
    <Panel title="Alerts raised" answers={[answer, alerts]} note={rows.length > 0 && plural(rows.length, "activation")}>
      {rows.length > 0 ? (
        <Table
          label="Alerts raised"
          rows={rows}
          rowKey={(row) => row.id}
          columns={[
            { key: "alert", title: "Alert", head: true, cell: (row) => row.alert },
            { key: "severity", title: "Severity", cell: (row) => (row.severity ? <State state={row.severity} /> : <Nothing />) },
            { key: "raised", title: "Raised", className: "nowrap", cell: (row) => <Ago time={row.raised_at} /> },
            { key: "window", title: "Window to", className: "nowrap", cell: (row) => (row.window_end ? shortInstant(row.window_end) : <Nothing />) },
            { key: "reason", title: "Reason", className: "wide", cell: (row) => row.reason ?? <Nothing /> },
            { key: "actions", title: "Then", className: "wide", cell: (row) => <Actions actions={row.actions} /> },
            { key: "outcome", title: "Outcome", className: "wide", cell: (row) => row.outcome ?? <Nothing /> },
          ]}
        />
      ) : set.length > 0 ? (
        <Empty title="No alert was raised">
          {set.map((alert) => (
            <p key={`${alert.project}.${alert.name}`}>
              <b>{alert.name}</b> waits for <code>{alert.condition}</code>; it is {alert.state}.
            </p>
          ))}
        </Empty>
      ) : (
        <Empty title="No alert is set" statement={teach(endpoint)}>
          <p>An alert watches a monitor; its action is a statement, so that it can retrain, compare and promote.</p>
        </Empty>
      )}
    </Panel>
  );
}

function Actions({ actions }: { actions: Cell }): ReactNode {
  const list = Array.isArray(actions) ? actions.filter((action): action is string => typeof action === "string") : [];
  if (list.length === 0) return <Nothing />;
  return (
    <span className="action-list">
      {list.map((action) => (
        <code key={action} title={action}>
          {action}
        </code>
      ))}
    </span>
  );
}

interface WorkflowRun {
  head: WorkflowStepRow;
  steps: WorkflowStepRow[];
}

export function WorkflowsPanel({ endpoint }: { endpoint: EndpointKey }): ReactNode {
  const answer = useStatement<WorkflowStepRow>(triggeredWorkflows(endpoint), { ...FRESH, events: ["workflow.", "alert.", "run."] });
  const runs = grouped(answer.rows ?? []);
  if (runs.length === 0 && answer.error === null) return null;
  return (
    <Panel title="Workflows started by alerts" answers={[answer]} note={plural(runs.length, "workflow run")}>
      <div className="workflow-runs">
        {runs.map(({ head, steps }) => (
          <article key={head.workflow_run_id}>
            <h3>
              {head.workflow} <State state={head.run_state} />
              <span className="faint-text">
                {" "}
                started <Ago time={head.run_started_at} />, {duration(head.run_duration_ms)}
              </span>
            </h3>
            {head.run_reason && <p className="hint">{head.run_reason}</p>}
            <ol className="steps">
              {steps.map((step) => (
                <Step key={step.step} step={step} />
              ))}
            </ol>
          </article>
        ))}
      </div>
    </Panel>
  );
}

function Step({ step }: { step: WorkflowStepRow }): ReactNode {
  const said = step.error ?? step.message;
  return (
    <li>
      <div className="step-head">
        <b>{step.step}</b> <State state={step.state ?? "pending"} />
        {step.run_id && (
          <Link to={{ page: "run", id: step.run_id }}>run</Link>
        )}
      </div>
      {said && <p className={step.error ? "step-error" : ""}>{said}</p>}
      {step.statement && (
        <details>
          <summary>Statement</summary>
          <pre tabIndex={0}>{step.statement}</pre>
        </details>
      )}
    </li>
  );
}

export function grouped(rows: readonly WorkflowStepRow[]): WorkflowRun[] {
  const found = new Map<string, WorkflowRun>();
  for (const row of rows) {
    const run = found.get(row.workflow_run_id) ?? { head: row, steps: [] };
    found.set(row.workflow_run_id, run);
    if (row.step !== null) run.steps.push(row);
  }
  return [...found.values()];
}

const teach = ({ project, name }: EndpointKey): string => `CREATE ALERT ${project}.${name}_drifted ON MONITOR ${project}.${name}_drift
WHEN psi > 0.2 FOR INTERVAL '7 days' THEN RUN WORKFLOW ${project}.retrain;`;
