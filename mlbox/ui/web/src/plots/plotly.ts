/** A figure of Plotly, with nothing in it that would be fetched from elsewhere. */

export interface Trace {
  type?: string;
}

export interface Figure {
  data: Trace[];
  layout?: { width?: number; height?: number; autosize?: boolean; images?: { source?: string }[] };
  frames?: unknown[];
}

interface Plotly {
  newPlot(box: HTMLElement, figure: object): Promise<unknown>;
}

const HEIGHT = 450;
/** Tiles of streets and outlines of countries come from servers of others. */
const MAP = /^(scatter|choropleth|density)(map|mapbox)$|^choropleth$|^scattergeo$/;
const CONFIG = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", modeBarButtonsToRemove: ["toImage"] };

/** The figure as it is drawn here, and what is left out of it. */
export function offline(figure: Figure, room: number): { figure: Figure; left: string[] } {
  const data = figure.data.filter((trace) => !MAP.test(trace.type ?? ""));
  const { images = [], ...layout } = figure.layout ?? {};
  const kept = images.filter((image) => image.source?.startsWith("data:"));
  const left = [
    ...new Set(figure.data.filter((trace) => !data.includes(trace)).map((trace) => `maps (${trace.type})`)),
    ...(kept.length < images.length ? ["pictures from elsewhere"] : []),
  ];
  const drawn: Figure = { ...figure, data, layout: { ...layout, images: kept, height: layout.height ?? HEIGHT } };
  if (drawn.layout && (layout.width === undefined || layout.width > room)) {
    delete drawn.layout.width;
    drawn.layout.autosize = true;
  }
  return { figure: drawn, left };
}

export async function drawPlotly(box: HTMLElement, figure: Figure, room: number): Promise<string> {
  const { Plotly } = globalThis as unknown as { Plotly: Plotly };
  const { figure: drawn, left } = offline(figure, room);
  if (drawn.data.length === 0 && left.length > 0) {
    throw new Error(`${left.join(" and ")} need what other servers have, and this page loads nothing from elsewhere. Download the figure to see it.`);
  }
  await Plotly.newPlot(box, { ...drawn, config: CONFIG });
  return left.length > 0 ? `Not drawn: ${left.join(" and ")}; this page loads nothing from elsewhere.` : "";
}
