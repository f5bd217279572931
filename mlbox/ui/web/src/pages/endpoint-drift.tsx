/** Drift: feature by window, and the metrics of whole windows. */

import { type ReactNode, useMemo } from "react";
import { type Bounds, HeatMap } from "../charts/heat-map";
import { LineChart } from "../charts/line-chart";
import { Choice, Select } from "../components/choice";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { plural } from "../format";
import { type Answer, useStatement } from "../live/statement";
import { useQuery } from "../router";
import type { DriftKind, DriftRow, MonitorRow } from "../rows";
import { driftByFeature, driftKinds, type EndpointKey, monitorsOf, wholeWindowMetrics } from "../statements/endpoints";

const FRESH = { events: ["monitor."], every: 10_000 };

/** Bounds with a meaning of their own; other metrics are shaded by size. */
const BOUNDS: Record<string, Bounds> = { psi: [0.1, 0.2] };

export function DriftPanels({ endpoint }: { endpoint: EndpointKey }): ReactNode {
  const kinds = useStatement<DriftKind>(driftKinds(endpoint), FRESH);
  const [metricChosen, setMetric] = useQuery("metric");
  const [monitorChosen, setMonitor] = useQuery("monitor");
  const [segmentChosen, setSegment] = useQuery("segment");
  const rows = kinds.rows ?? [];

  const monitors = unique(rows.map(fullName));
  const monitor = monitors.includes(monitorChosen) ? monitorChosen : monitors[0];
  const ofMonitor = rows.filter((row) => fullName(row) === monitor);
  const of = ofMonitor[0];
  const segments = unique(ofMonitor.map((row) => row.segment ?? ""));
  const segment = (segments.includes(segmentChosen) ? segmentChosen : segments[0]) || null;
  const inSegment = ofMonitor.filter((row) => row.segment === segment);
  const metrics = unique(inSegment.filter((row) => row.per_feature).map((row) => row.metric));
  const metric = metrics.includes(metricChosen) ? metricChosen : metrics.includes("psi") ? "psi" : metrics[0];
  const whole = inSegment.some((row) => !row.per_feature);

  const cells = useStatement<DriftRow>(
    of && metric ? driftByFeature({ ...of, metric, segment }) : null, FRESH);
  const windows = useStatement<DriftRow>(of && whole ? wholeWindowMetrics({ ...of, segment }) : null, FRESH);

  const watching = useStatement<MonitorRow>(kinds.rows && !monitor ? monitorsOf(endpoint) : null, FRESH);

  const selectors = (
    <>
      {monitors.length > 1 && <Select label="Monitor" value={monitor ?? ""} options={options(monitors)} onChange={setMonitor} />}
      {segments.length > 1 && (
        <Select label="Segment" value={segment ?? ""} options={segments.map((value) => ({ value, label: value || "all" }))} onChange={setSegment} />
      )}
      {metrics.length > 0 && <Choice label="Metric" value={metric ?? ""} options={options(metrics)} onChange={setMetric} />}
    </>
  );
  return (
    <>
      <Panel title="Drift by feature" answers={asked(kinds, watching, cells)} note={monitor && `monitor ${monitor}`} actions={selectors}>
        {cells.rows && cells.rows.length > 0 ? (
          <Heat rows={cells.rows} metric={metric ?? ""} />
        ) : (
          kinds.rows &&
          !metric && (
            <NoDrift endpoint={endpoint} watching={watching.rows ?? []} />
          )
        )}
      </Panel>
      {whole && (
        <Panel title="Metrics of whole windows" answers={asked(windows)} note={monitor && `monitor ${monitor}`}>
          <Wholes rows={windows.rows ?? []} />
        </Panel>
      )}
    </>
  );
}

function Heat({ rows, metric }: { rows: readonly DriftRow[]; metric: string }): ReactNode {
  const cells = useMemo(
    () => rows.map((row) => ({ feature: row.feature ?? "", start: row.window_start, end: row.window_end, value: row.value, n: row.n })),
    [rows],
  );
  return <HeatMap label={`${metric} by feature and window`} cells={cells} bounds={BOUNDS[metric] ?? null} />;
}

function Wholes({ rows }: { rows: readonly DriftRow[] }): ReactNode {
  const charts = unique(rows.map((row) => row.metric)).map((metric) => {
    const points = rows.filter((row) => row.metric === metric).map((row) => ({ x: Date.parse(row.window_start), y: row.value }));
    return { metric, points };
  });
  return (
    <div className="multiples">
      {charts.map(({ metric, points }) => (
        <figure key={metric}>
          <figcaption>
            {metric} <span className="faint-text">{plural(points.length, "window")}</span>
          </figcaption>
          <LineChart title={`${metric} by window`} axis="time" series={[{ key: metric, label: metric, tone: 1, points }]} height={150} />
        </figure>
      ))}
    </div>
  );
}

function NoDrift({ endpoint, watching }: { endpoint: EndpointKey; watching: readonly MonitorRow[] }): ReactNode {
  const monitor = watching[0];
  if (monitor) {
    return (
      <Empty title="No window computed yet" statement={`REFRESH MONITOR ${monitor.project}.${monitor.name};`}>
        <p>
          The monitor {monitor.name} watches this endpoint. A window is computed once it is complete, by itself or when asked:
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No drift computed yet" statement={teach(endpoint)}>
      <p>A monitor compares what comes in with what the model was trained on, window by window of event time.</p>
    </Empty>
  );
}

const teach = ({ project, name }: EndpointKey): string => `CREATE MONITOR ${project}.${name}_drift ON ENDPOINT ${project}.${name}
METRICS (psi, ks) WINDOW INTERVAL 1 DAY;
REFRESH MONITOR ${project}.${name}_drift;`;

const fullName = (kind: DriftKind): string => `${kind.project}.${kind.monitor}`;
const unique = (values: readonly string[]): string[] => [...new Set(values)];
const options = (values: readonly string[]): { value: string; label: string }[] => values.map((value) => ({ value, label: value }));
const asked = (...answers: Answer<unknown>[]): Answer<unknown>[] => answers.filter((answer) => answer.sql !== null);
