import type { ReactNode } from "react";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { State } from "../components/state";
import { Table, type TableColumn } from "../components/table";
import { Ago } from "../components/time";
import { milliseconds, number, plural } from "../format";
import { useStatement } from "../live/statement";
import type { EndpointRow } from "../rows";
import { listEndpoints } from "../statements/endpoints";

const FIRST_ENDPOINT = `CREATE MODEL delay FROM RUN '<run id>' ALIAS champion;
CREATE ENDPOINT delay USING MODEL delay@champion;`;

/** What it serves, as it was written (`delay@champion`), and the version that answers when the words do not say it. */
export function modelOf(endpoint: Pick<EndpointRow, "model" | "model_version"> & Partial<Pick<EndpointRow, "kind" | "function">>): string {
  const { model, model_version: version } = endpoint;
  if (endpoint.kind === "function") return endpoint.function ?? "–";
  if (endpoint.kind === "graph") return "a graph";
  if (model === null) return "–";
  return version === null || model.endsWith(`@${version}`) ? model : `${model} (v${version})`;
}

interface Share {
  project: string;
  name: string;
  version: string;
  weight: number;
}

/** The same in full: of a split the shares, of an ensemble its kind and the weights that it goes by. */
export function partsOf(endpoint: EndpointRow): string {
  if (endpoint.kind !== "traffic" && endpoint.kind !== "ensemble") return modelOf(endpoint);
  let shares: Share[] = [];
  try {
    shares = JSON.parse(endpoint.serving ?? "[]") as Share[];
  } catch {
    return modelOf(endpoint);
  }
  const unit = endpoint.kind === "traffic" ? " %" : "";
  const weighted = endpoint.kind === "traffic" || endpoint.ensemble === "weighted";
  const listed = shares.map((share) => {
    const owner = share.project === endpoint.project ? "" : `${share.project}.`;
    return `${owner}${share.name}@${share.version}${weighted ? ` ${number(share.weight)}${unit}` : ""}`;
  });
  return `${endpoint.ensemble ? `${endpoint.ensemble} of ` : ""}${listed.join(", ")}`;
}

/** Share of failed requests in words. */
export function errorShare(endpoint: EndpointRow): string {
  if (endpoint.errors === 0 || endpoint.requests === 0) return number(endpoint.errors);
  return `${number(endpoint.errors)} (${((100 * endpoint.errors) / endpoint.requests).toFixed(1)} %)`;
}

export function EndpointsPage({ project }: { project: string }): ReactNode {
  const endpoints = useStatement<EndpointRow>(listEndpoints(project), { events: ["endpoint.", "model.", "project."], every: 5000 });
  const rows = endpoints.rows ?? [];
  const columns: TableColumn<EndpointRow>[] = [
    { key: "state", title: "State", cell: (row) => <State state={row.state} /> },
    {
      key: "name",
      title: "Endpoint",
      head: true,
      cell: (row) => <Link to={{ page: "endpoint", project: row.project, name: row.name }}>{`${row.project}.${row.name}`}</Link>,
    },
    { key: "model", title: "Model", cell: modelOf },
    { key: "requests", title: "Requests", right: true, cell: (row) => number(row.requests) },
    { key: "errors", title: "Errors", right: true, cell: errorShare },
    { key: "p50", title: "p50", right: true, className: "nowrap", cell: (row) => milliseconds(row.p50_ms) },
    { key: "p99", title: "p99", right: true, className: "nowrap", cell: (row) => milliseconds(row.p99_ms) },
    { key: "last", title: "Last request", className: "nowrap", cell: (row) => <Ago time={row.last_request} /> },
  ];
  return (
    <Panel title="Endpoints" level="h1" className="page-panel" answers={[endpoints]} note={endpoints.rows && plural(rows.length, "endpoint")}>
      {rows.length > 0 ? (
        <Table label="Endpoints" columns={columns} rows={rows} rowKey={(row) => `${row.project}.${row.name}`} />
      ) : (
        <Empty title={project ? `No endpoints in ${project}` : "No endpoints yet"} statement={FIRST_ENDPOINT}>
          <p>An endpoint answers requests over the Open Inference Protocol with a model, and writes down what it answered.</p>
        </Empty>
      )}
    </Panel>
  );
}
