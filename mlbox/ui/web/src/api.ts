/** The server's doors, typed. There is one for data: `POST /sql`. */

export type Cell = string | number | boolean | null | Cell[] | { [key: string]: Cell };
export type Row = Record<string, Cell>;

export interface Column {
  name: string;
  type: string;
}

/** What one statement answered. */
export interface StatementResult {
  statement: string;
  message: string;
  /** These four only where the statement gives rows. */
  columns: Column[];
  rows: Cell[][];
  row_count: number;
  truncated: boolean;
  elapsed_ms: number;
}

export interface Where {
  line: number;
  column: number;
  offset: number;
  text: string;
}

/** The one error envelope of all doors. */
export interface ErrorBody {
  code: string;
  message: string;
  hint?: string;
  where?: Where;
  details?: Row;
}

export class ApiError extends Error {
  constructor(
    readonly body: ErrorBody,
    readonly status: number,
  ) {
    super(body.message);
    this.name = "ApiError";
  }
}

/** What went wrong, to be shown; `code` is that of errors which are not the server's. */
export const problemOf = (problem: unknown, code = "page"): ErrorBody =>
  problem instanceof ApiError ? problem.body : { code, message: String(problem) };

const UNREACHABLE: ErrorBody = {
  code: "unreachable",
  message: "The server does not answer.",
  hint: "Start it with `mlbox up`; this page goes on by itself.",
};

function isErrorBody(value: unknown): value is ErrorBody {
  return typeof value === "object" && value !== null && "code" in value && "message" in value;
}

/** The error in a response that is not OK, whatever stands between us and the server. */
async function errorOf(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "error" in body) {
      if (isErrorBody(body.error)) return new ApiError(body.error, response.status);
      // The inference protocol has the message as a text.
      if (typeof body.error === "string" && "code" in body) {
        return new ApiError({ ...(body as unknown as ErrorBody), message: body.error }, response.status);
      }
    }
  } catch {
    // Not JSON: fall through to a message made of the status.
  }
  return new ApiError({ code: "http", message: `The server answered ${response.status} ${response.statusText}.` }, response.status);
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(UNREACHABLE, 0);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Run one statement and return its result. */
export async function runSql(sql: string, signal?: AbortSignal): Promise<StatementResult> {
  const response = await reach("/sql", { ...jsonPost({ sql }), ...(signal ? { signal } : {}) });
  const body = (await response.json()) as { results: StatementResult[] };
  const result = body.results.at(-1);
  if (!result) throw new ApiError({ code: "empty", message: "The server answered without a result." }, response.status);
  return result;
}

export interface SqlAnswer {
  results: StatementResult[];
  /** In use at the end. */
  project: string;
}

interface ScriptRequest {
  sql: string;
  project: string;
  queryId?: string;
  rowLimit?: number;
}

const jsonPost = (body: unknown, accept = "application/json"): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json", Accept: accept },
  body: JSON.stringify(body),
});

/** Integers beyond 2^53 become their text: as a number they would be another one. */
function exact(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? (context?.source ?? value) : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** Run a statement that the user wrote; it can be cancelled by its id. */
export async function runInProject({ sql, project, queryId, rowLimit }: ScriptRequest): Promise<SqlAnswer> {
  const response = await reach("/sql", jsonPost({ sql, project, query_id: queryId, row_limit: rowLimit, door: "ui" }));
  return exact(await response.text()) as SqlAnswer;
}

/** All rows of a statement as CSV, without a limit. */
export async function csvOf(sql: string, project: string): Promise<Blob> {
  return (await reach("/sql", jsonPost({ sql, project, door: "ui" }, "text/csv"))).blob();
}

export async function cancelSql(queryId: string): Promise<void> {
  await reach(`/sql/${encodeURIComponent(queryId)}/cancel`, jsonPost({}));
}

export interface Completions {
  /** In characters (code points) of the text. */
  start: number;
  candidates: { text: string; kind: string; detail: string }[];
}

export async function completeSql(sql: string, position: number, project: string, signal: AbortSignal): Promise<Completions> {
  const response = await reach("/sql/complete", { ...jsonPost({ sql, position, project }), signal });
  return (await response.json()) as Completions;
}

export interface Upload {
  id: string;
  name: string;
  /** On the server; what a statement reads. */
  path: string;
  size: number;
}

export async function uploadFile(file: File, signal: AbortSignal): Promise<Upload> {
  const init = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file, signal };
  return (await (await reach(`/files?name=${encodeURIComponent(file.name)}`, init)).json()) as Upload;
}

/** Rows as objects. `T` is what the statement selects; nothing is checked at run time. */
export function records<T>(result: StatementResult): T[] {
  const names = result.columns.map((column) => column.name);
  return result.rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])) as T);
}

/** A VARIANT, STRUCT or MAP; as an object, whether it came as one or as its JSON text. */
export function asObject(value: Cell | undefined): Row {
  if (typeof value === "string" && value.startsWith("{")) {
    try {
      return asObject(JSON.parse(value) as Cell);
    } catch {
      return {};
    }
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

export const artifactUrl = (id: string): string => `/artifacts/${encodeURIComponent(id)}/content`;

/** The first `most` bytes of an artifact, as text; a character that is cut at the end is left out. */
export async function artifactText(id: string, most: number, signal: AbortSignal): Promise<string> {
  const response = await reach(artifactUrl(id), { headers: { Range: `bytes=0-${most - 1}` }, signal });
  return new TextDecoder().decode(await response.arrayBuffer(), { stream: true });
}

export interface LogChunk {
  /** A piece may end within a character, so it stays bytes. */
  bytes: ArrayBuffer;
  /** Byte offset to ask for next. */
  next: number;
}

/** The log of a run from byte `offset` on. */
export async function runLog(id: string, offset: number, signal: AbortSignal): Promise<LogChunk> {
  const response = await reach(`/runs/${encodeURIComponent(id)}/log?offset=${offset}`, { signal });
  const bytes = await response.arrayBuffer();
  return { bytes, next: Number(response.headers.get("X-Mlbox-Offset") ?? offset + bytes.byteLength) };
}

export interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
  parameters?: { optional?: boolean };
}

/** `GET /v2/models/{endpoint}`. */
export interface ModelMetadata {
  name: string;
  versions: string[];
  platform: string;
  inputs: Tensor[];
  outputs: Tensor[];
}

export const modelUrl = (endpoint: string): string => `/v2/models/${encodeURIComponent(endpoint)}`;

/** What an endpoint takes and gives. */
export async function metadataOf(endpoint: string, signal: AbortSignal): Promise<ModelMetadata> {
  return (await (await reach(modelUrl(endpoint), { signal })).json()) as ModelMetadata;
}

export interface Raw {
  ok: boolean;
  /** 0: nobody answered. */
  status: number;
  text: string;
  ms: number;
}

/** The answer to a body as it was written, errors too. */
export async function answerOf(endpoint: string, body: string): Promise<Raw> {
  const begin = performance.now();
  try {
    const response = await fetch(`${modelUrl(endpoint)}/infer`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const text = await response.text();
    return { ok: response.ok, status: response.status, text, ms: performance.now() - begin };
  } catch {
    return { ok: false, status: 0, text: UNREACHABLE.message, ms: performance.now() - begin };
  }
}
