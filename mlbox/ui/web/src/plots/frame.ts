/**
 * The script of plot.html: draws one plot in a frame that has no origin, no network and no way to the page around it.
 * So whatever a specification says, it is only drawn.
 */

import type { Draw, FromFrame } from "./messages";
import { drawPlotly, type Figure } from "./plotly";
import { drawVega } from "./vega";

const tell = (message: FromFrame): void => parent.postMessage(message, "*");

function run(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    script.onload = () => resolve();
    script.onerror = () => reject(new Error("the script that draws it does not run in this browser"));
    document.head.append(script);
  });
}

async function draw({ library, scripts, text }: Draw): Promise<void> {
  const box = document.getElementById("plot");
  if (!box) return;
  try {
    const figure: unknown = JSON.parse(text);
    for (const script of scripts) await run(script);
    const note =
      library === "plotly"
        ? await drawPlotly(box, figure as Figure, document.documentElement.clientWidth)
        : await drawVega(box, figure as object, library === "vega-lite");
    const measure = (): void => tell({ kind: "drawn", height: Math.ceil(box.getBoundingClientRect().height) });
    measure(); // browsers let observers of frames that are out of sight wait
    new ResizeObserver(measure).observe(box);
    if (note) tell({ kind: "note", message: note });
  } catch (error) {
    tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

addEventListener("message", (event: MessageEvent<Draw>) => {
  if (event.source === parent && event.data.kind === "draw") void draw(event.data);
});
tell({ kind: "ready" });
