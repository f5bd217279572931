/** A chart of Vega or Vega-Lite. Its expressions are interpreted, never compiled; of data and pictures it has what it brings. */

import { expressionInterpreter } from "vega-interpreter";

interface View {
  runAsync(): Promise<View>;
}

interface Loader {
  load(uri: string): Promise<unknown>;
  sanitize(uri: string, options: { context?: string }): Promise<{ href: string }>;
}

interface Vega {
  loader(): Loader;
  parse(spec: object, config: undefined, options: { ast: boolean }): object;
  View: new (runtime: object, options: object) => View;
  Error: number;
}

interface VegaLite {
  compile(spec: object, options: { logger: object }): { spec: object };
}

/** Keeps what is wrong; warnings (of older versions of the language) are for its author. */
function listener(wrong: string[]): object {
  const quiet = (): object => logger;
  const error = (...words: unknown[]): object => {
    wrong.push(words.map((word) => (word instanceof Error ? word.message : String(word))).join(" "));
    return logger;
  };
  const logger = { level: quiet, warn: quiet, info: quiet, debug: quiet, error };
  return logger;
}

/** Refuses every address but those that carry their content; `refused` collects them. */
export function ownContentOnly<T extends Loader>(loader: T, refused: Set<string>): T {
  const refuse = (uri: string): Promise<never> => {
    refused.add(uri);
    return Promise.reject(new Error(`${uri} is not loaded`));
  };
  return Object.assign(loader, {
    load: refuse,
    sanitize: (uri: string, options: { context?: string }) =>
      options?.context === "image" && uri.startsWith("data:") ? Promise.resolve({ href: uri }) : refuse(uri),
  });
}

export async function drawVega(box: HTMLElement, spec: object, lite: boolean): Promise<string> {
  const { vega, vegaLite } = globalThis as unknown as { vega: Vega; vegaLite: VegaLite };
  const wrong: string[] = [];
  const logger = listener(wrong);
  const full = lite ? vegaLite.compile(spec, { logger }).spec : spec;
  const refused = new Set<string>();
  const options = {
    expr: expressionInterpreter,
    loader: ownContentOnly(vega.loader(), refused),
    renderer: "svg",
    container: box,
    hover: true,
    logger,
  };
  box.className = "vega";
  await new vega.View(vega.parse(full, undefined, { ast: true }), options).runAsync();
  if (wrong.length > 0) return `Not all of it is drawn: ${wrong.join("; ")}`;
  if (refused.size === 0) return "";
  return `Not loaded: ${[...refused].join(", ")}. This page loads nothing from elsewhere; put the data into the chart itself.`;
}
