import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { BarChart } from "../src/charts/bar-chart";
import { LineChart } from "../src/charts/line-chart";
import { ErrorNote } from "../src/components/notice";
import { State } from "../src/components/state";
import { Table } from "../src/components/table";
import { modelOf } from "../src/pages/endpoints";
import { grouped } from "../src/pages/endpoint-alerts";
import { soughtFirst, varying } from "../src/pages/run-trials";
import type { WorkflowStepRow } from "../src/rows";

describe("an error", () => {
  const error = {
    code: "statement",
    message: "no column <b>x</b>",
    hint: "did you mean y?",
    where: { line: 1, column: 8, offset: 7, text: "SELECT x FROM t" },
  };

  test("tells code, message, place and hint", () => {
    const html = renderToStaticMarkup(<ErrorNote error={error} />);
    for (const part of ["statement", "did you mean y?", "line 1, column 8", 'role="alert"']) expect(html).toContain(part);
    expect(html).toContain("SELECT x FROM t\n       ^");
  });

  test("is text, never markup", () => {
    expect(renderToStaticMarkup(<ErrorNote error={error} />)).not.toContain("<b>x</b>");
  });
});

test("a state has a word and an icon, known or not", () => {
  for (const state of ["running", "error", "unheard_of"]) {
    const html = renderToStaticMarkup(<State state={state} />);
    expect(html).toContain(state);
    expect(html).toContain("<svg");
  }
});

test("cards know the titles of their cells", () => {
  const html = renderToStaticMarkup(
    <Table
      label="Things"
      rows={[{ id: "1" }]}
      rowKey={(row) => row.id}
      columns={[
        { key: "a", title: "A", head: true, cell: () => "x" },
        { key: "b", title: "B", cell: () => "y" },
      ]}
    />,
  );
  expect(html).toContain('data-title="B"');
  expect(html).not.toContain('data-title="A"');
});

describe("charts say in words what they draw", () => {
  test("lines", () => {
    const points = [0.5, null, 0.75].map((y, x) => ({ x, y }));
    const html = renderToStaticMarkup(<LineChart title="auc by step" axis="step" series={[{ key: "a", label: "auc", tone: 1, points }]} />);
    expect(html).toContain("auc by step. auc: 2 points, from 0.5 to 0.75, last 0.75");
    expect(html).toContain('tabindex="0"');
  });

  test("bars", () => {
    const bars = [{ x: 0, total: 10, failed: 2 }];
    const html = renderToStaticMarkup(<BarChart title="Requests" bars={bars} bucket={1000} domain={[0, 1000]} />);
    expect(html).toContain("10 requests in 1 intervals, 2 failed.");
  });
});

test("only parameters that differ between trials are shown", () => {
  const rows = [new Map<string, unknown>([["rate", 0.1], ["trees", 200]]), new Map<string, unknown>([["rate", 0.3], ["trees", 200], ["extra", 1]])];
  expect(varying(rows)).toEqual(["extra", "rate"]);
});

test("an alias is told with the version that it means", () => {
  expect(modelOf({ model: "delay@champion", model_version: 2 })).toBe("delay@champion (v2)");
  expect(modelOf({ model: "delay@3", model_version: 3 })).toBe("delay@3");
  expect(modelOf({ model: null, model_version: null })).toBe("–");
  expect(modelOf({ model: null, model_version: null, kind: "function", function: "rules@2" })).toBe("rules@2");
});

test("steps are put under their workflow run; one without steps stays", () => {
  const row = { workflow: "w", run_state: "running" } as WorkflowStepRow;
  const runs = grouped([
    { ...row, workflow_run_id: "1", step: "a" },
    { ...row, workflow_run_id: "1", step: "b" },
    { ...row, workflow_run_id: "2", step: null },
  ]);
  expect(runs.map((run) => run.steps.length)).toEqual([2, 0]);
});

test("the metric that a sweep seeks is drawn first", () => {
  expect(soughtFirst(["acc", "auc", "loss"], "best of 3: trial-1, auc = 0.77")).toEqual(["auc", "acc", "loss"]);
  expect(soughtFirst(["acc", "auc"], null)).toEqual(["acc", "auc"]);
});
