/** What the page and the frame in which a plot is drawn tell each other. */

export type PlotLibrary = "plotly" | "vega" | "vega-lite";

export interface Draw {
  kind: "draw";
  library: PlotLibrary;
  /** Texts of the scripts that draw it, in order. */
  scripts: string[];
  /** The specification, as JSON. */
  text: string;
}

/** `note`: it is drawn, but something of it is missing. */
export type FromFrame = { kind: "ready" } | { kind: "drawn"; height: number } | { kind: "note" | "failed"; message: string };

/** Which library a specification is for; null: for none that we have. */
export function libraryOf(figure: unknown): PlotLibrary | null {
  if (typeof figure !== "object" || figure === null || Array.isArray(figure)) return null;
  const parts = figure as { $schema?: unknown; data?: unknown; layout?: unknown };
  const schema = /\/schema\/(vega|vega-lite)\/v\d/.exec(String(parts.$schema ?? ""));
  if (schema) return schema[1] as PlotLibrary;
  return Array.isArray(parts.data) && (parts.layout === undefined || typeof parts.layout === "object") ? "plotly" : null;
}
