/** Requests to an endpoint, as people write them: from what it takes, or from what it was last sent. */

import { type Cell, modelUrl, type Row, type Tensor } from "./api";

const MOST_VALUES = 64;

const one = (datatype: string): Cell => (datatype === "BYTES" ? "text" : datatype === "BOOL" ? true : datatype.includes("INT") ? 1 : 1.5);

/** A value of a row; a tensor of more values than anybody would type is left empty. */
function valueOf(input: Tensor): Cell {
  const sizes = input.shape.slice(1).map((size) => Math.max(size, 1));
  if (sizes.reduce((all, size) => all * size, 1) > MOST_VALUES) return [];
  return sizes.reduceRight<Cell>((inner, size) => Array.from({ length: size }, () => inner), one(input.datatype));
}

/** The row of an example: what was sent last, else a value for each input that must be sent. */
export function exampleRow(inputs: readonly Tensor[], last: Row): Row {
  if (Object.keys(last).length > 0) return last;
  const needed = inputs.filter((input) => !input.parameters?.optional);
  return Object.fromEntries((needed.length > 0 ? needed : inputs).map((input) => [input.name, valueOf(input)]));
}

export type Way = "curl" | "python" | "triton" | "path";

interface Call {
  /** The server, `http://localhost:7070`. */
  origin: string;
  endpoint: string;
  path: string | null;
  row: Row;
  inputs: readonly Tensor[];
  /** Whether the server asks who calls. */
  token: boolean;
}

export const bodyOf = (row: Row): string => JSON.stringify({ rows: [row] });

/** In a shell, within single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function curl(url: string, body: string, token: boolean): string {
  const login = token ? ` \\\n  -H "Authorization: Bearer $MLBOX_TOKEN"` : "";
  return `curl -s ${quoted(url)} \\\n  -H 'Content-Type: application/json'${login} \\\n  -d ${quoted(body)}`;
}

/** As Python writes it. */
export function pythonOf(value: Cell): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${pythonOf(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

const NUMPY: Record<string, string> = { BOOL: "np.bool_", BYTES: "object", FP16: "np.float16", FP32: "np.float32", FP64: "np.float64" };

const numpyOf = (datatype: string): string => NUMPY[datatype] ?? `np.${datatype.toLowerCase()}`;

function python(url: string, row: Row, token: boolean): string {
  const login = token ? `\nheaders["Authorization"] = "Bearer " + os.environ["MLBOX_TOKEN"]` : "";
  return `import json${token ? "\nimport os" : ""}
import urllib.request

body = {"rows": [${pythonOf(row)}]}
headers = {"Content-Type": "application/json"}${login}
request = urllib.request.Request("${url}", json.dumps(body).encode(), headers)
print(json.load(urllib.request.urlopen(request)))`;
}

function triton({ origin, endpoint, row, inputs, token }: Call): string {
  const sent = new Map(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
  const lines = inputs.flatMap((input) => {
    const value = sent.get(input.name.toLowerCase());
    if (value === undefined || value === null) return [];
    const datatype = typeof value === "string" ? "BYTES" : input.datatype;
    return [`    ("${input.name}", "${datatype}", np.array([${pythonOf(value)}], ${numpyOf(datatype)})),`];
  });
  const login = token ? `, headers={"Authorization": "Bearer " + os.environ["MLBOX_TOKEN"]}` : "";
  return `${token ? "import os\n\n" : ""}import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient("${origin.replace(/^https?:\/\//, "")}")
inputs = []
for name, datatype, values in [
${lines.join("\n")}
]:
    inputs.append(triton.InferInput(name, values.shape, datatype))
    inputs[-1].set_data_from_numpy(values)
print(client.infer("${endpoint}", inputs${login}).get_response())`;
}

/** The text to copy. */
export function callOf(way: Way, call: Call): string {
  const url = `${call.origin}${modelUrl(call.endpoint)}/infer`;
  if (way === "python") return python(url, call.row, call.token);
  if (way === "triton") return triton(call);
  if (way === "path" && call.path !== null) return curl(call.origin + call.path, JSON.stringify(call.row), call.token);
  return curl(url, bodyOf(call.row), call.token);
}

/** JSON for reading: short lists on one line. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2).replace(/\[\n\s+([^[\]{}]{0,80}?)\n\s+\]/g, (_all, inner: string) => `[${inner.replace(/\n\s+/g, " ")}]`);
  } catch {
    return text;
  }
}
