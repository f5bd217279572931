/** The history of metrics, one small chart a metric; of a sweep, its trials over each other. */

import { type ReactNode, useMemo, useState } from "react";
import { LineChart, type Series } from "../charts/line-chart";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { number, plural } from "../format";
import type { Answer } from "../live/statement";
import type { MetricPoint } from "../rows";

export interface Curve {
  runId: string;
  label: string;
  best: boolean;
}

/** More curves than this in one chart say nothing. */
const CURVES = 24;

interface CurvesProps {
  answer: Answer<MetricPoint>;
  curves: readonly Curve[];
  isSweep: boolean;
}

export function CurvesPanel({ answer, curves, isSweep }: CurvesProps): ReactNode {
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = useMemo(() => firstOf(curves), [curves]);
  const charts = useMemo(() => chartsOf(answer.rows ?? [], shown, chosen), [answer.rows, shown, chosen]);
  const bestId = curves.find((curve) => curve.best)?.runId ?? null;
  return (
    <Panel
      title="Metric history"
      answers={[answer]}
      note={isSweep ? `${plural(shown.length, "trial")}${shown.length < curves.length ? ` of ${number(curves.length)}` : ""}` : null}
    >
      {charts.length === 0 ? (
        <Empty title="No metric has a history" statement={'for epoch in range(10):\n    ctx.log_metrics({"loss": loss, "auc": auc}, step=epoch)'}>
          <p>A metric that is logged more than once is drawn by step.</p>
        </Empty>
      ) : (
        <>
          {isSweep && (
            <ul className="legend" aria-label="Trials; choose one to bring it forward">
              {shown.map((curve, i) => (
                <li key={curve.runId}>
                  <button
                    type="button"
                    aria-pressed={(chosen ?? bestId) === curve.runId}
                    onClick={() => setChosen(chosen === curve.runId ? null : curve.runId)}
                  >
                    <i className={`swatch tone-${(i % 8) + 1}`} />
                    {curve.label}
                    {curve.best && " ★ best"}
                  </button>
                </li>
              ))}
            </ul>
          )}
          <div className="multiples">
            {charts.map((chart) => (
              <figure key={chart.name}>
                <figcaption>{chart.name}</figcaption>
                <LineChart title={`${chart.name} by step`} axis="step" series={chart.series} height={160} />
              </figure>
            ))}
          </div>
        </>
      )}
    </Panel>
  );
}

/** The best and the first others. */
function firstOf(curves: readonly Curve[]): Curve[] {
  if (curves.length <= CURVES) return [...curves];
  const best = curves.filter((curve) => curve.best);
  return [...best, ...curves.filter((curve) => !curve.best)].slice(0, CURVES);
}

function chartsOf(points: readonly MetricPoint[], curves: readonly Curve[], chosen: string | null): { name: string; series: Series[] }[] {
  const byName = new Map<string, Map<string, MetricPoint[]>>();
  for (const point of points) {
    const runs = byName.get(point.name) ?? new Map<string, MetricPoint[]>();
    byName.set(point.name, runs);
    const list = runs.get(point.run_id);
    if (list) list.push(point);
    else runs.set(point.run_id, [point]);
  }
  const someBest = curves.some((curve) => curve.best);
  return [...byName]
    .filter(([, runs]) => [...runs.values()].some((list) => list.length > 1))
    .map(([name, runs]) => ({
      name,
      series: curves.flatMap((curve, i): Series[] => {
        const list = runs.get(curve.runId);
        if (!list) return [];
        return [
          {
            key: curve.runId,
            label: curves.length > 1 ? curve.label : name,
            tone: (i % 8) + 1,
            strong: chosen === null ? someBest && curve.best : chosen === curve.runId,
            // Steps may be missing or repeat: then the order of logging stands in for them.
            points: steps(list).map((x, at) => ({ x, y: list[at]?.value ?? null })),
          },
        ];
      }),
    }));
}

function steps(list: readonly MetricPoint[]): number[] {
  const ascending = list.every((point, i) => point.step !== null && (i === 0 || point.step > (list[i - 1]?.step ?? Infinity)));
  return list.map((point) => (ascending ? (point.step ?? point.i) : point.i));
}
