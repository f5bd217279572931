import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { plotPage } from "./src/plots/page";

/** Where `npm run dev` finds the server; `MLBOX_URL` names another one. */
const server = process.env["MLBOX_URL"] ?? "http://127.0.0.1:7070";

/** Doors of the server which the pages use; everything else below /ui/ is the dashboard's own. */
const doors = ["/sql", "/files", "/stream", "/health", "/artifacts", "/runs"];

const plotFrame: Plugin = {
  name: "plot-frame",
  async generateBundle() {
    this.emitFile({ type: "asset", fileName: "plot.html", source: await plotPage() });
  },
  configureServer(dev) {
    dev.middlewares.use("/ui/plot.html", (_, response) => {
      response.setHeader("Content-Type", "text/html");
      void plotPage().then((page) => response.end(page));
    });
  },
};

export default defineConfig({
  base: "/ui/",
  plugins: [plotFrame],
  esbuild: { jsx: "automatic" },
  build: {
    target: "es2022",
    outDir: process.env["MLBOX_UI_OUT"] ?? "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 450,
  },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(doors.map((door) => [door, { target: server, changeOrigin: true }])),
  },
  test: { include: ["test/**/*.test.{ts,tsx}"], environment: "node" },
});
