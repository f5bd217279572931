/** What brings rows to an endpoint besides HTTP. */

import type { ReactNode } from "react";
import { Nothing } from "../components/nothing";
import { Panel } from "../components/panel";
import { State } from "../components/state";
import { Table } from "../components/table";
import { Ago } from "../components/time";
import { number, plural } from "../format";
import { useStatement } from "../live/statement";
import type { FeedRow } from "../rows";
import { type EndpointKey, feedsOf } from "../statements/endpoints";

export function FeedsPanel({ endpoint }: { endpoint: EndpointKey }): ReactNode {
  const answer = useStatement<FeedRow>(feedsOf(endpoint), { events: ["feed.", "source."], every: 5000 });
  const rows = answer.rows ?? [];
  if (rows.length === 0 && answer.error === null) return null;
  return (
    <Panel title="Feeds" answers={[answer]} note={plural(rows.length, "feed")}>
      <Table
        label="Feeds"
        rows={rows}
        rowKey={(row) => row.name}
        columns={[
          { key: "name", title: "Feed", head: true, cell: (row) => row.name },
          { key: "state", title: "State", cell: (row) => <State state={row.error === null ? row.state : "error"} /> },
          { key: "from", title: "From", className: "wide", cell: (row) => <Origin row={row} /> },
          { key: "target", title: "Answers to", className: "wide", cell: (row) => row.target ?? <Nothing /> },
          { key: "lag", title: "Waiting", cell: (row) => (row.lag === null ? <Nothing /> : number(row.lag)) },
          { key: "events", title: "Events", cell: (row) => number(row.events) },
          { key: "results", title: "Answers", cell: (row) => number(row.results) },
          { key: "refused", title: "Refused", cell: (row) => number(row.refused) },
          { key: "last", title: "Last", className: "nowrap", cell: (row) => <Ago time={row.last_event_at} /> },
        ]}
      />
      {rows.map(
        (row) =>
          row.error !== null && (
            <p className="step-error" key={row.name}>
              <b>{row.name}</b> does not go on: {row.error}
            </p>
          ),
      )}
    </Panel>
  );
}

function Origin({ row }: { row: FeedRow }): ReactNode {
  if (row.source !== null) return `${row.kind === "table" ? "table" : "source"} ${row.source}`;
  return (
    <>
      {row.cron ?? `every ${number(row.every_seconds ?? 0)} s`}: <code title={row.query ?? ""}>{row.query}</code>
    </>
  );
}
