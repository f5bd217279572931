/** Shares of one whole, the greatest first, each a line with its bar. */

import type { ReactNode } from "react";

export interface Share {
  name: string;
  /** Of 1. */
  share: number;
}

const percent = (share: number): string => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(share * 100)} %`);

export function ShareBars({ label, shares }: { label: string; shares: readonly Share[] }): ReactNode {
  const most = Math.max(1e-9, ...shares.map((one) => one.share));
  return (
    <ol className="share-bars" aria-label={label}>
      {shares.map(({ name, share }) => (
        <li key={name}>
          <span className="share-name" title={name}>
            {name}
          </span>
          <svg width="100%" height="10" aria-hidden="true">
            <rect className="bar" width={`${(100 * share) / most}%`} height="10" rx="2" />
          </svg>
          <span className="share-value">{percent(share)}</span>
        </li>
      ))}
    </ol>
  );
}
