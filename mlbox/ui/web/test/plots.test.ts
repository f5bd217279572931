import { describe, expect, test } from "vitest";
import { libraryOf } from "../src/plots/messages";
import { offline } from "../src/plots/plotly";
import { ownContentOnly } from "../src/plots/vega";

describe("which library draws it", () => {
  const lite = "https://vega.github.io/schema/vega-lite/v5.json";
  test.each([
    [{ $schema: lite, data: {} }, "vega-lite"],
    [{ $schema: "https://vega.github.io/schema/vega/v6.json" }, "vega"],
    [{ data: [], layout: {} }, "plotly"],
    [{ data: [{ y: [1] }] }, "plotly"],
    [{ data: {} }, null],
    [[1], null],
    [null, null],
    ["text", null],
  ])("%j: %s", (figure, library) => expect(libraryOf(figure)).toBe(library));
});

describe("a figure of Plotly", () => {
  test("loses what would be fetched, and says so", () => {
    const images = [{ source: "https://elsewhere/x.png" }, { source: "data:image/png;base64,AA" }];
    const { figure, left } = offline({ data: [{ type: "heatmap" }, { type: "scattermapbox" }, {}], layout: { images } }, 500);
    expect(figure.data).toEqual([{ type: "heatmap" }, {}]);
    expect(figure.layout?.images).toEqual([images[1]]);
    expect(left).toEqual(["maps (scattermapbox)", "pictures from elsewhere"]);
  });

  test.each([
    [{ width: 400, height: 300 }, { width: 400, height: 300 }],
    [{ width: 900 }, { autosize: true, height: 450 }],
  ])("fits into its frame: %j", (given, drawn) => {
    const { figure, left } = offline({ data: [], layout: given }, 500);
    expect(figure.layout).toEqual({ ...drawn, images: [] });
    expect(left).toEqual([]);
  });
});

test("a chart of Vega loads nothing but pictures that it carries", async () => {
  const refused = new Set<string>();
  const given = { load: () => Promise.resolve("rows"), sanitize: (href: string) => Promise.resolve({ href }) };
  const loader = ownContentOnly<{ load(uri: string): Promise<unknown>; sanitize(uri: string, options: { context?: string }): Promise<{ href: string }> }>(given, refused);
  await expect(loader.load("data.csv")).rejects.toThrow("data.csv");
  await expect(loader.sanitize("https://elsewhere/x.png", { context: "image" })).rejects.toThrow();
  await expect(loader.sanitize("data:text/html,x", { context: "href" })).rejects.toThrow();
  await expect(loader.sanitize("data:image/png;base64,AA", { context: "image" })).resolves.toEqual({ href: "data:image/png;base64,AA" });
  expect([...refused]).toEqual(["data.csv", "https://elsewhere/x.png", "data:text/html,x"]);
});
