/** Builds plot.html, the frame in which plots are drawn: one file, for a frame without an origin may load nothing. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { build } from "esbuild";

const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Scripts that draw come from the page around it as text, hence `blob:`. The server's header says the rest. */
export async function plotPage(): Promise<string> {
  const made = await build({ entryPoints: ["src/plots/frame.ts"], bundle: true, minify: true, format: "iife", target: "es2022", write: false });
  const script = made.outputFiles[0]?.text ?? "";
  const style = await readFile("src/plots/frame.css", "utf8");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="script-src ${hash(script)} blob:">
<meta name="color-scheme" content="light">
<title>Plot</title>
<style>${style}</style>
<div id="plot"></div>
<script>${script}</script>
</html>
`;
}
