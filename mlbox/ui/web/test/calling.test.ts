import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Tensor } from "../src/api";
import { callOf, exampleRow, pretty, pythonOf } from "../src/calling";

const inputs: Tensor[] = [
  { name: "customer", datatype: "BYTES", shape: [-1] },
  { name: "image", datatype: "FP32", shape: [-1, 2, -1] },
  { name: "age", datatype: "INT64", shape: [-1], parameters: { optional: true } },
];
const call = { origin: "http://localhost:7070", endpoint: "shop.churn", path: "/churn", inputs, token: false };

test("an example is what was sent last, else a value for what must be sent", () => {
  expect(exampleRow(inputs, {})).toEqual({ customer: "text", image: [[1.5], [1.5]] });
  expect(exampleRow(inputs, { customer: "c-1" })).toEqual({ customer: "c-1" });
  expect(exampleRow(inputs.slice(2), {})).toEqual({ age: 1 });
  expect(exampleRow([{ name: "x", datatype: "FP32", shape: [-1, 3, 224, 224] }], {})).toEqual({ x: [] });
});

test("curl's body survives the shell", () => {
  const row = { customer: `it's "o"`, age: null };
  const text = callOf("curl", { ...call, row }).replace(/^curl .*\\\n.*\\\n\s+-d /, "printf %s ");
  expect(JSON.parse(execFileSync("sh", ["-c", text]).toString())).toEqual({ rows: [row] });
  expect(callOf("path", { ...call, row: { a: 1 } })).toContain(`curl -s 'http://localhost:7070/churn' \\\n`);
  expect(callOf("path", { ...call, row: { a: 1 } })).toContain(`-d '{"a":1}'`);
  expect(callOf("curl", { ...call, endpoint: "shop.a b", row: {} })).toContain(`'http://localhost:7070/v2/models/shop.a%20b/infer'`);
});

test("Python is given Python's words, a token where one is needed", () => {
  expect(pythonOf({ a: [true, null, 1.5], b: 'x"' })).toBe('{"a": [True, None, 1.5], "b": "x\\""}');
  const text = callOf("python", { ...call, row: { a: null }, token: true });
  expect(text).toContain('body = {"rows": [{"a": None}]}');
  expect(text).toContain('os.environ["MLBOX_TOKEN"]');
  expect(callOf("curl", { ...call, row: {}, token: true })).toContain('-H "Authorization: Bearer $MLBOX_TOKEN"');
});

test("tritonclient is given what the endpoint takes, in its types", () => {
  const text = callOf("triton", { ...call, row: { Customer: "c-1", age: 40, other: 1 } });
  expect(text).toContain('InferenceServerClient("localhost:7070")');
  expect(text).toContain('("customer", "BYTES", np.array(["c-1"], object)),');
  expect(text).toContain('("age", "INT64", np.array([40], np.int64)),');
  expect(text).not.toContain("other");
});

test("JSON is laid out for reading, text is left", () => {
  expect(pretty('{"a":[1,2],"b":[{"c":1}]}')).toBe('{\n  "a": [1, 2],\n  "b": [\n    {\n      "c": 1\n    }\n  ]\n}');
  expect(pretty("no json")).toBe("no json");
});
