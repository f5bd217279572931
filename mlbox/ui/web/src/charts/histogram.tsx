/** How the values of a column lie, in the height of a line: bins of equal width, or the most frequent values. */

import type { ReactNode } from "react";
import { number, plural } from "../format";

const WIDTH = 132;
const HEIGHT = 26;
const SHOWN = 12;

export interface Bin {
  label: string;
  count: number;
}

/** Bins of a histogram by their edges, of which there is one more. */
export const binsOf = (edges: readonly number[], counts: readonly number[]): Bin[] =>
  counts.map((count, i) => ({ label: `${number(edges[i])} to ${number(edges[i + 1])}`, count }));

export function Histogram({ name, bins, ordered }: { name: string; bins: readonly Bin[]; ordered: boolean }): ReactNode {
  const shown = ordered ? bins : bins.slice(0, SHOWN);
  const most = Math.max(1, ...shown.map((bin) => bin.count));
  const step = Math.min(14, WIDTH / Math.max(1, shown.length));
  if (shown.length === 0) return null;
  const highest = shown.reduce((best, bin) => (bin.count > best.count ? bin : best));
  return (
    <svg
      className="histogram"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`${name}: ${plural(shown.length, ordered ? "bin" : "value")}, most (${number(highest.count)}) at ${highest.label}`}
    >
      {shown.map((bin, i) => {
        const height = bin.count === 0 ? 0 : Math.max(1, (bin.count / most) * HEIGHT);
        return (
          <g key={bin.label}>
            <rect className="bar" x={i * step} width={Math.max(1, step - 1)} y={HEIGHT - height} height={height} />
            <rect className="unseen-bar" x={i * step} width={step} y={0} height={HEIGHT}>
              <title>{`${bin.label}: ${number(bin.count)}`}</title>
            </rect>
          </g>
        );
      })}
    </svg>
  );
}
