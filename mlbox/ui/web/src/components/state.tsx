import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon";

type Tone = "good" | "bad" | "warn" | "busy" | "quiet";

const LOOKS: Record<string, readonly [IconName, Tone]> = {
  pending: ["pending", "quiet"],
  preparing: ["preparing", "busy"],
  running: ["running", "busy"],
  completed: ["completed", "good"],
  error: ["error", "bad"],
  failed: ["error", "bad"],
  cancelled: ["cancelled", "quiet"],
  interrupted: ["interrupted", "warn"],
  skipped: ["fold", "quiet"],
  ready: ["completed", "good"],
  active: ["completed", "good"],
  suspended: ["paused", "warn"],
  info: ["pending", "quiet"],
  warning: ["warning", "warn"],
  critical: ["warning", "bad"],
};

/** A state as an icon and its word; never by colour alone. */
export function State({ state }: { state: string }): ReactNode {
  const [icon, tone] = LOOKS[state.toLowerCase()] ?? (["pending", "quiet"] as const);
  return (
    <span className={`state ${tone}`}>
      <Icon name={icon} />
      {state}
    </span>
  );
}
