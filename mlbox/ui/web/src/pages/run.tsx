/** One run: what it was given, what it measured, made and said. */

import { type ReactNode, useState } from "react";
import { Copy } from "../components/copy";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { Ago, Lasting } from "../components/time";
import { shortId } from "../format";
import { type Answer, useStatement } from "../live/statement";
import type { ArtifactRow, LineageRow, MetricPoint, MetricSummary, ParamRow, RunDetailRow, RunRow } from "../rows";
import { identifier, literal } from "../statements/quote";
import { runArtifacts } from "../statements/artifacts";
import { getRun, listTrials, metricHistory, metricSummary, runLineage, runParameters } from "../statements/runs";
import { ArtifactsPanel, PlotsPanel } from "./run-artifacts";
import { CurvesPanel, type Curve } from "./run-curves";
import { ImportancePanel } from "./run-importance";
import { LineagePanel } from "./run-lineage";
import { LogPanel } from "./run-log";
import { entries, isLive, RunState } from "./run-table";
import { MetricsPanel, ParametersPanel } from "./run-values";
import { TrialsPanel } from "./run-trials";

const LIVE_MS = 2000;

export function RunPage({ id }: { id: string }): ReactNode {
  const [going, setGoing] = useState(true);
  const run = useStatement<RunDetailRow>(getRun(id), { events: ["run."], every: going ? LIVE_MS : undefined });
  const row = run.rows?.[0];
  const nowGoing = row === undefined ? !run.error : isLive(row.state);
  if (nowGoing !== going) setGoing(nowGoing);

  if (run.rows !== null && row === undefined) {
    return (
      <Panel title="No such run" level="h1" className="page-panel" answers={[run]}>
        <Empty title={`There is no run ${id}`} statement="SELECT id, name, state FROM ml.runs ORDER BY created_at DESC LIMIT 10;">
          <p>
            It may be in another home. <Link to={{ page: "runs" }}>All runs of this one</Link>
          </p>
        </Empty>
      </Panel>
    );
  }
  return (
    <div className="stack">
      <Header id={id} run={run} />
      {row && <Body key={row.id} run={row} />}
    </div>
  );
}

/** The panels below the header, once the whole id is known. */
function Body({ run }: { run: RunDetailRow }): ReactNode {
  const going = isLive(run.state);
  const fresh = { events: ["run."], every: going ? LIVE_MS : undefined };
  const trials = useStatement<RunRow>(listTrials([run.id]), fresh);
  const isSweep = (trials.rows?.length ?? 0) > 0;
  const parameters = useStatement<ParamRow>(runParameters(run.id), fresh);
  const summary = useStatement<MetricSummary>(metricSummary(run.id), fresh);
  const history = useStatement<MetricPoint>(trials.rows === null ? null : metricHistory(run.id, isSweep), fresh);
  const artifacts = useStatement<ArtifactRow>(runArtifacts(run.id), fresh);
  const lineage = useStatement<LineageRow>(runLineage(run.id), fresh);

  return (
    <>
      {isSweep && <TrialsPanel trials={trials} best={run.best_trial} outcome={run.reason} />}
      {isSweep && <ImportancePanel sweep={run.id} going={going} />}
      <div className="columns">
        <ParametersPanel answer={parameters} labels={entries(run.labels)} note={run.note} isSweep={isSweep} />
        <MetricsPanel answer={summary} latest={entries(run.metrics)} ofRun={getRun(run.id)} />
      </div>
      {(isSweep || (summary.rows?.length ?? 0) > 0) && <CurvesPanel answer={history} curves={curvesOf(run, trials.rows ?? [])} isSweep={isSweep} />}
      <PlotsPanel answer={artifacts} />
      <ArtifactsPanel answer={artifacts} best={run.best_trial} />
      <LogPanel id={run.id} going={going} isSweep={isSweep} />
      <LineagePanel answer={lineage} />
    </>
  );
}

function curvesOf(run: RunRow, trials: readonly RunRow[]): Curve[] {
  if (trials.length === 0) return [{ runId: run.id, label: run.name ?? shortId(run.id), best: false }];
  return trials.map((trial) => ({ runId: trial.id, label: trial.name ?? shortId(trial.id), best: trial.id === run.best_trial }));
}

function Header({ id, run }: { id: string; run: Answer<RunDetailRow> }): ReactNode {
  const row = run.rows?.[0];
  const name = row?.name ?? shortId(row?.id ?? id);
  return (
    <Panel title={name} level="h1" className="page-panel" answers={[run]} note={row && <RunState run={row} />}>
      {row && (
        <>
          <p className="crumbs">
            <Link to={{ page: "runs" }}>Runs</Link> / {row.project}
            {row.parent_id && (
              <>
                {" "}
                / trial of <Link to={{ page: "run", id: row.parent_id }}>{shortId(row.parent_id)}</Link>
              </>
            )}
          </p>
          <dl className="facts">
            <Fact name="Function">
              {row.function ?? "–"}
              {row.function_version !== null && `@${row.function_version}`}
              {row.handler && <span className="faint-text"> · {row.handler}</span>}
            </Fact>
            <Fact name="Started">
              <Ago time={row.started_at ?? row.created_at} />
            </Fact>
            <Fact name="Duration">
              <Lasting ms={row.duration_ms} since={row.started_at} going={isLive(row.state)} />
            </Fact>
            <Fact name="Runs on">{row.runtime ?? "–"}</Fact>
            {row.attempt !== null && row.attempt > 1 && <Fact name="Attempt">{row.attempt}</Fact>}
            {row.best_trial && (
              <Fact name="Best trial">
                <Link to={{ page: "run", id: row.best_trial }}>{shortId(row.best_trial)}</Link>
              </Fact>
            )}
            <Fact name="Id">
              <code>{row.id}</code>
            </Fact>
          </dl>
          <Failure run={row} />
          <div className="next">
            <Copy text={actOn(row, isLive(row.state) ? "CANCEL RUN" : "RERUN")} label={isLive(row.state) ? "Copy CANCEL RUN" : "Copy RERUN"} />
          </div>
        </>
      )}
    </Panel>
  );
}

const actOn = (run: RunRow, verb: string): string => `USE PROJECT ${identifier(run.project)};\n${verb} ${literal(run.id)};`;

function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Why it did not complete: the reason, and the traceback of the user's own code. */
function Failure({ run }: { run: RunDetailRow }): ReactNode {
  if (!run.error && !run.traceback && run.state === "completed") return run.reason ? <p className="hint">{run.reason}</p> : null;
  if (!run.error && !run.reason && !run.traceback) return null;
  const tone = run.state === "error" ? "bad" : isLive(run.state) ? "calm" : "warn";
  return (
    <div className={`note ${tone}`}>
      {run.error && (
        <p>
          {run.error_type && <code className="code">{run.error_type}</code>} {run.error}
        </p>
      )}
      {run.reason && run.reason !== run.error && <p>{run.reason}</p>}
      {run.traceback && (
        <>
          <pre tabIndex={0} aria-label="Traceback">
            {run.traceback.trimEnd()}
          </pre>
          <Copy text={run.traceback} label="Copy traceback" />
        </>
      )}
    </div>
  );
}
