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
    if (typeof body === "object" && body !== null && "error" in body && isErrorBody(body.error)) {
      return new ApiError(body.error, response.status);
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
  const response = await reach("/sql", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ sql }),
    ...(signal ? { signal } : {}),
  });
  const body = (await response.json()) as { results: StatementResult[] };
  const result = body.results.at(-1);
  if (!result) throw new ApiError({ code: "empty", message: "The server answered without a result." }, response.status);
  return result;
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
