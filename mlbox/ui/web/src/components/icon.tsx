import type { ReactNode } from "react";

/** Line drawings on a 16 by 16 grid; a name, a path. */
const PATHS = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM8 5v3l2 1.5",
  preparing: "M8 2.5v2M8 11.5v2M2.5 8h2M11.5 8h2M4.1 4.1l1.4 1.4M10.5 10.5l1.4 1.4M4.1 11.9l1.4-1.4M10.5 5.5l1.4-1.4",
  running: "M5 3.2v9.6L12.5 8z",
  completed: "M3 8.5l3.3 3.3L13 4.8",
  error: "M4 4l8 8M12 4l-8 8",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM4.2 4.2l7.6 7.6",
  interrupted: "M9 1.8L4 9h4l-1 5.2L12 7H8z",
  paused: "M5.5 3.5v9M10.5 3.5v9",
  warning: "M8 2.5l6 10.8H2zM8 6.5v3.2M8 11.4v.4",
  fold: "M6 3.5L10.5 8 6 12.5",
  copy: "M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2",
  download: "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.2h10",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6Z",
  system: "M2.5 3.5h11v7h-11zM6 13.3h4M8 10.5v2.8",
  runs: "M3 4h2M3 8h2M3 12h2M7.5 4H13M7.5 8H13M7.5 12H13",
  endpoints: "M2.5 8h3M10.5 8h3M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
  sql: "M2.5 3.5h11v9h-11zM4.8 6.2L6.8 8l-2 1.8M8.2 10h3",
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 6.5v6",
  history: "M3 8a5 5 0 1 0 1.5-3.6L3 5.8M3 3v2.8h2.8M8 5.5V8l1.8 1.2",
  share: "M6.5 9.5l3-3M7.2 4.8l1.6-1.6a2.6 2.6 0 0 1 3.7 3.7l-1.6 1.6M8.8 11.2l-1.6 1.6a2.6 2.6 0 0 1-3.7-3.7l1.6-1.6",
  upload: "M8 10.5V3M4.8 6L8 2.8 11.2 6M3 13.2h10",
  box: "M2.5 5L8 2.3 13.5 5v6L8 13.7 2.5 11zM2.5 5L8 7.8 13.5 5M8 7.8v5.9",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className={`icon icon-${name}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
