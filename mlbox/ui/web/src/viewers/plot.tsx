/** Figures of Plotly, Vega and Vega-Lite (Altair). What draws them is loaded with the first one, into a frame that is shut off. */

import { type ReactNode, useEffect, useRef, useState } from "react";
import plotly from "../../node_modules/plotly.js-strict-dist-min/plotly-strict.min.js?url";
import vega from "../../node_modules/vega/build/vega.min.js?url";
import vegaLite from "../../node_modules/vega-lite/build/vega-lite.min.js?url";
import { ErrorNote } from "../components/notice";
import { bytes } from "../format";
import { useContent } from "../live/content";
import { type Draw, type FromFrame, libraryOf, type PlotLibrary } from "../plots/messages";
import type { ArtifactRow } from "../rows";
import { type ArtifactViewer, isJson, mediaType } from "./viewer";

const SCRIPTS: Record<PlotLibrary, string[]> = { plotly: [plotly], vega: [vega], "vega-lite": [vega, vegaLite] };
/** Texts of scripts by address; each is fetched once, however many plots there are. */
const fetched = new Map<string, Promise<string>>();
const LARGEST = 32_000_000;
const TALLEST = 4000;

export const viewer: ArtifactViewer = {
  order: 20,
  takes: (artifact) => /^application\/vnd\.(plotly|vega|vegalite)\./.test(mediaType(artifact)) || (artifact.kind === "plot" && isJson(artifact)),
  atOnce: true,
  View: Plot,
};

function Plot({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const fits = artifact.size <= LARGEST;
  const content = useContent(artifact, LARGEST, fits);
  if (!fits) return <p className="hint">{bytes(artifact.size)} are too much to draw here. Download the figure to see it.</p>;
  if (content.error) return <ErrorNote error={content.error} />;
  if (content.text === null) return <p className="waiting">Loading …</p>;
  const library = kindOf(content.text);
  if (library === null) return <p className="hint">This is neither a figure of Plotly nor a chart of Vega; its text can be downloaded.</p>;
  return <Frame name={artifact.name} library={library} text={content.text} />;
}

function scriptAt(address: string): Promise<string> {
  const known = fetched.get(address);
  if (known) return known;
  const text = fetch(address).then((response) => {
    if (!response.ok) throw new Error(`the script that draws it could not be loaded (${response.status}); reload the page`);
    return response.text();
  });
  text.catch(() => fetched.delete(address));
  fetched.set(address, text);
  return text;
}

function kindOf(text: string): PlotLibrary | null {
  try {
    return libraryOf(JSON.parse(text));
  } catch {
    return null;
  }
}

function Frame({ name, library, text }: { name: string; library: PlotLibrary; text: string }): ReactNode {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState<number | null>(null);
  const [said, setSaid] = useState<Extract<FromFrame, { message: string }> | null>(null);

  useEffect(() => {
    const draw = async (window: Window): Promise<void> => {
      try {
        const scripts = await Promise.all(SCRIPTS[library].map(scriptAt));
        window.postMessage({ kind: "draw", library, scripts, text } satisfies Draw, "*");
      } catch (error) {
        setSaid({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
      }
    };
    const hear = (event: MessageEvent<FromFrame>): void => {
      const window = frame.current?.contentWindow;
      if (!window || event.source !== window) return;
      const message = event.data;
      if (message.kind === "ready") void draw(window);
      else if (message.kind === "drawn") setHeight(Math.min(TALLEST, message.height));
      else setSaid(message);
    };
    addEventListener("message", hear);
    return () => removeEventListener("message", hear);
  }, [library, text]);

  return (
    <>
      {said?.kind === "failed" ? (
        <p className="note warn" role="note">
          The plot cannot be drawn: {said.message}
        </p>
      ) : (
        <iframe
          ref={frame}
          className="plot-frame"
          src="/ui/plot.html"
          sandbox="allow-scripts"
          title={`Plot ${name}`}
          loading="lazy"
          data-drawn={height !== null}
          style={{ height: height ?? 450 }}
        />
      )}
      {said?.kind === "note" && <p className="hint">{said.message}</p>}
    </>
  );
}
