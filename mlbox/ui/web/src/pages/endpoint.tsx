/** One endpoint: traffic, latency, drift, and what was done about it. */

import type { ReactNode } from "react";
import { asObject } from "../api";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Copy } from "../components/copy";
import { Pairs } from "../components/pairs";
import { Panel } from "../components/panel";
import { State } from "../components/state";
import { Ago } from "../components/time";
import { milliseconds, number } from "../format";
import { type Answer, useStatement } from "../live/statement";
import type { EndpointRow } from "../rows";
import { type EndpointKey, getEndpoint } from "../statements/endpoints";
import { AlertsPanel, WorkflowsPanel } from "./endpoint-alerts";
import { CallPanel } from "./endpoint-call";
import { DriftPanels } from "./endpoint-drift";
import { FeedsPanel } from "./endpoint-feeds";
import { ArmsPanel, PredictionsPanel } from "./endpoint-predictions";
import { TrafficPanel } from "./endpoint-traffic";
import { errorShare, partsOf } from "./endpoints";

const LIVE_MS = 5000;

export function EndpointPage({ endpoint }: { endpoint: EndpointKey }): ReactNode {
  const { project, name } = endpoint;
  const answer = useStatement<EndpointRow>(getEndpoint(endpoint), { events: ["endpoint.", "model."], every: LIVE_MS });
  const row = answer.rows?.[0];
  const revision = `${row?.requests} ${row?.last_request}`;
  if (answer.rows !== null && row === undefined) {
    return (
      <Panel title="No such endpoint" level="h1" className="page-panel" answers={[answer]}>
        <Empty title={`There is no endpoint ${project}.${name}`} statement="SELECT project, name, state FROM ml.endpoints;">
          <p>
            It may have been dropped. <Link to={{ page: "endpoints" }}>All endpoints</Link>
          </p>
        </Empty>
      </Panel>
    );
  }
  return (
    <div className="stack">
      <Panel title={`${project}.${name}`} level="h1" className="page-panel" answers={[answer]} note={row && <State state={row.state} />}>
        {row && <Facts row={row} />}
      </Panel>
      {row && (
        <>
          {row.kind === "graph" && <GraphPanel endpoint={endpoint} answer={answer} />}
          {row.state === "ready" && <CallPanel row={row} />}
          <TrafficPanel endpoint={endpoint} revision={revision} />
          <ArmsPanel endpoint={endpoint} revision={revision} />
          <PredictionsPanel endpoint={endpoint} revision={revision} />
          <FeedsPanel endpoint={endpoint} />
          <DriftPanels endpoint={endpoint} />
          <AlertsPanel endpoint={endpoint} />
          <WorkflowsPanel endpoint={endpoint} />
        </>
      )}
    </div>
  );
}

/** The steps of a graph, as the server draws them. */
function GraphPanel({ endpoint, answer }: { endpoint: EndpointKey; answer: Answer<EndpointRow> }): ReactNode {
  const url = `/v2/models/${encodeURIComponent(`${endpoint.project}.${endpoint.name}`)}/graph`;
  return (
    <Panel title="Graph" answers={[answer]}>
      <div className="drawing" role="region" aria-label="Drawing of the graph" tabIndex={0}>
        <a href={url} target="_blank" rel="noreferrer">
          <img src={url} alt={`Steps of the graph of ${endpoint.project}.${endpoint.name}`} loading="lazy" />
        </a>
      </div>
    </Panel>
  );
}

const KINDS: Record<string, string> = { function: "Function", traffic: "Traffic", ensemble: "Ensemble" };

function Facts({ row }: { row: EndpointRow }): ReactNode {
  const url = row.url?.startsWith("/") ? location.origin + row.url : (row.url ?? `${location.origin}/v2/models/${row.project}.${row.name}/infer`);
  return (
    <>
      <p className="crumbs">
        <Link to={{ page: "endpoints" }}>Endpoints</Link> / {row.project}
        {row.comment && <span className="faint-text"> · {row.comment}</span>}
      </p>
      <dl className="facts big">
        <Fact name="Requests" value={number(row.requests)} />
        <Fact name="Errors" value={errorShare(row)} />
        <Fact name="p50" value={milliseconds(row.p50_ms)} />
        <Fact name="p99" value={milliseconds(row.p99_ms)} />
        <Fact name="Last request" value={<Ago time={row.last_request} />} />
      </dl>
      <dl className="facts">
        {row.kind !== "graph" && <Fact name={KINDS[row.kind ?? ""] ?? "Model"} value={partsOf(row)} />}
        {row.shadow && <Fact name="Shadow" value={row.shadow} />}
        {row.feature_vector && <Fact name="Enriched with" value={row.feature_vector} />}
        {row.impute && <Fact name="Gaps filled with" value={<Pairs values={Object.entries(asObject(row.impute))} most={8} />} />}
        {row.options && <Fact name="Options" value={<Pairs values={Object.entries(asObject(row.options))} most={8} />} />}
        {row.log_percent !== null && <Fact name="Predictions logged" value={`${number(row.log_percent)} %`} />}
        {row.unrecorded > 0 && <Fact name="Lost by the log" value={number(row.unrecorded)} />}
        <Fact name="Address" value={<code className="breaking">{url}</code>} />
        {row.path && <Fact name="Plain JSON at" value={<code className="breaking">{location.origin + row.path}</code>} />}
      </dl>
      {(row.preprocess || row.postprocess) && (
        <dl className="facts">
          {row.preprocess && <Fact name="Request, prepared by" value={<code className="breaking">{row.preprocess}</code>} />}
          {row.postprocess && <Fact name="Answer, made of" value={<code className="breaking">{row.postprocess}</code>} />}
        </dl>
      )}
      <div className="next">
        <Copy text={url} label="Copy address" />
      </div>
    </>
  );
}

function Fact({ name, value }: { name: string; value: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
