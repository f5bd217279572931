import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { distribution } from "../src/components/statistics";
import { blocksOf, spansOf } from "../src/markdown";
import type { ArtifactRow } from "../src/rows";
import { parseCsv } from "../src/sql/csv";
import { viewerOf } from "../src/viewers";
import { columnsOf } from "../src/viewers/columns";
import { slotsOf } from "../src/viewers/model";
import { ShareBars } from "../src/charts/share-bars";

const artifact = (kind: string, media_type: string | null, file_name = "a"): ArtifactRow => ({
  id: "1", name: "a", kind, version: 1, digest: "", size: 1, media_type, file_name, created_at: "",
});

describe("who shows it", () => {
  test.each([
    ["plot", "image/png", "x.png", true],
    ["file", "image/svg+xml", "x.svg", true],
    ["plot", "application/vnd.plotly.v1+json", "x.json", true],
    ["file", "application/vnd.vegalite.v5+json", "x.json", true],
    ["plot", "application/json", "x.json", true],
    ["document", "application/json", "x.json", false],
    ["plot", "text/html", "x.html", false],
    ["dataset", "application/vnd.apache.parquet", "x.parquet", false],
    ["table", "text/csv", "x.csv", false],
    ["model", "application/onnx", "x.onnx", false],
    ["folder", "application/zip", "x.zip", false],
    ["file", "application/octet-stream", "train.py", false],
    ["file", "text/markdown", "README.md", false],
  ])("%s %s %s", (kind, media, file, atOnce) => {
    const viewer = viewerOf(artifact(kind, media, file));
    expect(viewer).toBeDefined();
    expect(viewer?.atOnce ?? false).toBe(atOnce);
  });

  test("nobody", () => {
    expect(viewerOf(artifact("file", "application/octet-stream", "blob"))).toBeUndefined();
    expect(viewerOf(artifact("file", null, "blob.bin"))).toBeUndefined();
  });
});

test("CSV: quotes, lines within fields, empty fields, a cut end", () => {
  expect(parseCsv('a,b\r\n"x, ""y""","two\nlines"\n,1')).toEqual([["a", "b"], ['x, "y"', "two\nlines"], ["", "1"]]);
  expect(parseCsv("a,b\n1,2\n3,", true)).toEqual([["a", "b"], ["1", "2"]]);
  expect(parseCsv("")).toEqual([]);
});

describe("Markdown", () => {
  test("blocks", () => {
    const text = "# Card #\n\nTwo\nlines\n- one\n  more\n- two\n\n1. first\n\n```py\nx = 1\n# no heading\n```\n| a | b |\n|---|:-:|\n| 1 | x\\|y |\n\n> said\n\n---";
    expect(blocksOf(text)).toEqual([
      { kind: "heading", level: 1, text: "Card" },
      { kind: "text", text: "Two lines" },
      { kind: "list", ordered: false, items: ["one more", "two"] },
      { kind: "list", ordered: true, items: ["first"] },
      { kind: "code", text: "x = 1\n# no heading" },
      { kind: "table", head: ["a", "b"], rows: [["1", "x|y"]] },
      { kind: "quote", text: "said" },
      { kind: "rule" },
    ]);
  });

  test("a fence without an end ends with the text", () => expect(blocksOf("```\na")).toEqual([{ kind: "code", text: "a" }]));

  test("spans; addresses of scripts stay text", () => {
    expect(spansOf("a **b** `*c*` _d_ [e](https://f.example) [g](javascript:h) snake_case_name")).toEqual([
      { kind: "text", text: "a " },
      { kind: "strong", text: "b" },
      { kind: "text", text: " " },
      { kind: "code", text: "*c*" },
      { kind: "text", text: " " },
      { kind: "emphasis", text: "d" },
      { kind: "text", text: " " },
      { kind: "link", text: "e", address: "https://f.example" },
      { kind: "text", text: " [g](javascript:h) snake_case_name" },
    ]);
  });
});

describe("what is known of a frame", () => {
  test("columns with and without statistics", () => {
    const columns = columnsOf([{ name: "a", type: "int64" }, { name: "b", type: "str" }], { a: { count: 3 } });
    expect(columns).toEqual([
      { name: "a", type: "int64", stats: { count: 3 } },
      { name: "b", type: "str", stats: null },
    ]);
    expect(columnsOf(undefined, { c: { count: 1 } })).toEqual([{ name: "c", type: "", stats: { count: 1 } }]);
    expect(columnsOf(null, null)).toEqual([]);
  });

  test("bins of numbers, the most frequent of words", () => {
    expect(distribution({ histogram: { edges: [0, 1, 2], counts: [5, 1] } })).toEqual({
      bins: [
        { label: "0 to 1", count: 5 },
        { label: "1 to 2", count: 1 },
      ],
      ordered: true,
    });
    expect(distribution({ top: { x: 1, y: 4 } }).bins.map((bin) => bin.label)).toEqual(["y", "x"]);
    expect(distribution({}).bins).toEqual([]);
  });

  test("slots of a model", () => {
    const slots = slotsOf("input", [{ name: "x", type: "FLOAT", shape: [null, 3] }, { name: "y" }]);
    expect(slots.map((slot) => [slot.name, slot.type, slot.shape])).toEqual([
      ["x", "FLOAT", "any × 3"],
      ["y", "", ""],
    ]);
  });
});

test("shares are written beside their bars", () => {
  const html = renderToStaticMarkup(<ShareBars label="Shares" shares={[{ name: "rate", share: 0.98 }, { name: "depth", share: 0.001 }]} />);
  for (const part of ["98 %", "&lt; 1 %", 'title="rate"']) expect(html).toContain(part);
});
