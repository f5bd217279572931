import type { ReactNode } from "react";
import { Nothing } from "./nothing";
import { short } from "../format";

/** `name value` chips in short, the first few of them; all on hover. */
export function Pairs({ values, most = 3 }: { values: readonly (readonly [string, unknown])[]; most?: number }): ReactNode {
  if (values.length === 0) return <Nothing />;
  const all = values.map(([name, value]) => `${name} = ${short(value)}`).join("\n");
  return (
    <span className="pairs" title={all}>
      {values.slice(0, most).map(([name, value]) => (
        <span key={name} className="pair">
          <span className="pair-name">{name}</span> <span className="pair-value">{short(value)}</span>
        </span>
      ))}
      {values.length > most && <span className="faint-text">+{values.length - most}</span>}
    </span>
  );
}
