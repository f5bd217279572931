/** Requests and latency over time, with the moves of the model's aliases. */

import { type ReactNode, useMemo } from "react";
import { BarChart } from "../charts/bar-chart";
import { LineChart, type Point } from "../charts/line-chart";
import type { Marker } from "../charts/markers";
import { Choice } from "../components/choice";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { Ago } from "../components/time";
import { milliseconds, number, shortInstant } from "../format";
import { useStatement } from "../live/statement";
import { useQuery } from "../router";
import type { MoveRow, SpanRow, TrafficRow } from "../rows";
import { aliasMoves, bucketFor, type Clock, type EndpointKey, predictionSpan, traffic } from "../statements/endpoints";

const CLOCKS: { value: Clock; label: string; title: string }[] = [
  { value: "event_time", label: "Event time", title: "When what is predicted happened" },
  { value: "predicted_at", label: "Arrival", title: "When the request arrived" },
];

interface TrafficProps {
  endpoint: EndpointKey;
  /** Changes with each request, so that the log is only read again when it has grown. */
  revision: string;
}

export function TrafficPanel({ endpoint, revision }: TrafficProps): ReactNode {
  const fresh = { events: ["endpoint.", "model."], on: revision };
  const [chosen, setClock] = useQuery("clock");
  const clock: Clock = chosen === "arrival" ? "predicted_at" : "event_time";
  const span = useStatement<SpanRow>(predictionSpan(endpoint), fresh);
  const range = rangeOf(span.rows?.[0], clock);
  const bucket = range ? bucketFor(range[1] - range[0]) : null;
  const counts = useStatement<TrafficRow>(bucket ? traffic(endpoint, clock, bucket.interval) : null, fresh);
  const moves = useStatement<MoveRow>(aliasMoves(endpoint), fresh);
  const bars = useMemo(
    () =>
      (counts.rows ?? []).map((row) => ({ x: Date.parse(row.bucket), total: row.requests, failed: row.errors, p50: row.p50_ms, p99: row.p99_ms })),
    [counts.rows],
  );
  const first = bars[0];
  const last = bars.at(-1);
  const domain = first && last && bucket ? ([first.x, last.x + bucket.ms] as const) : null;
  const markers = useMemo(() => markersOf(moves.rows ?? [], clock), [moves.rows, clock]);

  return (
    <Panel
      title="Traffic"
      answers={[span, counts, moves].filter((answer) => answer.sql !== null)}
      note={bucket && `by ${bucket.interval}, UTC`}
      actions={<Choice label="Clock" value={clock} options={CLOCKS} onChange={(next) => setClock(next === "predicted_at" ? "arrival" : "")} />}
    >
      {bucket && domain ? (
        <div className="pair-of-charts">
          <figure>
            <figcaption>
              Requests
              <span className="key">
                <i className="swatch tone-1" /> answered
                <i className="swatch hatched" /> failed
              </span>
            </figcaption>
            <BarChart title="Requests over time" bars={bars} bucket={bucket.ms} domain={domain} markers={markers} height={190} />
          </figure>
          <figure>
            <figcaption>
              Latency
              <span className="key">
                <i className="swatch tone-1" /> p50
                <i className="swatch tone-2 dashed" /> p99
              </span>
            </figcaption>
            <LineChart
              title="Latency over time"
              axis="time"
              fromZero
              formatY={milliseconds}
              domain={domain}
              markers={markers}
              height={190}
              series={[
                { key: "p50", label: "p50", tone: 1, points: line(bars, bucket.ms, "p50") },
                { key: "p99", label: "p99", tone: 2, points: line(bars, bucket.ms, "p99") },
              ]}
            />
          </figure>
        </div>
      ) : (
        span.rows && (
          <Empty title="No predictions logged yet">
            <p>Each answer becomes a row of ml.predictions, as far as the endpoint's LOG clause says.</p>
          </Empty>
        )
      )}
      <Moves moves={moves.rows ?? []} />
    </Panel>
  );
}

function rangeOf(span: SpanRow | undefined, clock: Clock): readonly [number, number] | null {
  const from = clock === "predicted_at" ? span?.first_arrival : span?.first_event;
  const to = clock === "predicted_at" ? span?.last_arrival : span?.last_event;
  return from && to ? [Date.parse(from), Date.parse(to)] : null;
}

interface Bucket {
  x: number;
  p50: number | null;
  p99: number | null;
}

/** Points of a curve; an empty bucket between two breaks the line. */
function line(bars: readonly Bucket[], width: number, key: "p50" | "p99"): Point[] {
  return bars.flatMap((bar, i) => {
    const before = bars[i - 1];
    const point = { x: bar.x, y: bar[key] };
    // Weeks and months vary in length by less than half of one.
    return before && bar.x - before.x > width * 1.5 ? [{ x: before.x + width, y: null }, point] : [point];
  });
}

/** By event time a move stands where the new version answered first; by arrival, when it was made. */
function markersOf(moves: readonly MoveRow[], clock: Clock): Marker[] {
  return moves.flatMap((move) => {
    const time = clock === "predicted_at" ? move.moved_at : move.first_event;
    return time ? [{ x: Date.parse(time), label: `${move.alias} v${move.to_version ?? "–"}` }] : [];
  });
}

function Moves({ moves }: { moves: readonly MoveRow[] }): ReactNode {
  if (moves.length === 0) return null;
  return (
    <ul className="moves" aria-label="Moves of aliases">
      {moves.map((move) => (
        <li key={`${move.alias} ${move.moved_at}`}>
          <span aria-hidden="true">▾</span> <b>{move.alias}</b> {move.from_version === null ? "" : `v${number(move.from_version)} → `}
          {move.to_version === null ? "removed" : `v${number(move.to_version)}`} <Ago time={move.moved_at} />
          {move.moved_by && <span className="faint-text"> by {move.moved_by}</span>}
          {move.first_event && <span className="faint-text"> · first answered for {shortInstant(move.first_event)}</span>}
        </li>
      ))}
    </ul>
  );
}
