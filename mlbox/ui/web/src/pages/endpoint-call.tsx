/** How an endpoint is called: a request to copy, and one to try. */

import { type ReactNode, useEffect, useId, useState } from "react";
import { answerOf, asObject, type Cell, type ErrorBody, metadataOf, type ModelMetadata, problemOf, type Raw } from "../api";
import { bodyOf, callOf, exampleRow, pretty, type Way } from "../calling";
import { Choice } from "../components/choice";
import { Copy } from "../components/copy";
import { ErrorNote } from "../components/notice";
import { Panel } from "../components/panel";
import { milliseconds } from "../format";
import { useStatement } from "../live/statement";
import type { EndpointRow } from "../rows";
import { lastInputs } from "../statements/endpoints";

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What it takes; asked again when another version answers. */
function useMetadata(name: string, version: string): { found: ModelMetadata | null; error: ErrorBody | null } {
  const [told, setTold] = useState<{ found: ModelMetadata | null; error: ErrorBody | null }>({ found: null, error: null });
  useEffect(() => {
    const abort = new AbortController();
    metadataOf(name, abort.signal).then(
      (found) => setTold({ found, error: null }),
      (problem: unknown) => {
        if (!abort.signal.aborted) setTold({ found: null, error: problemOf(problem) });
      },
    );
    return () => abort.abort();
  }, [name, version]);
  return told;
}

export function CallPanel({ row }: { row: EndpointRow }): ReactNode {
  const endpoint = `${row.project}.${row.name}`;
  const last = useStatement<{ inputs: Cell }>(lastInputs(row), { on: row.requests > 0 ? 1 : 0 });
  const { found, error } = useMetadata(endpoint, `${row.model} ${row.model_version} ${row.function}`);
  const [way, setWay] = useState<Way>("curl");
  if (error !== null) {
    return (
      <Panel title="Call it" answers={[]}>
        <ErrorNote error={error} />
      </Panel>
    );
  }
  if (found === null || last.rows === null) return null;
  const example = exampleRow(found.inputs, asObject(last.rows[0]?.inputs));
  const options: { value: Way; label: string }[] = [
    { value: "curl", label: "curl" },
    { value: "python", label: "Python" },
    ...(found.inputs.length > 0 ? [{ value: "triton" as const, label: "tritonclient" }] : []),
    ...(row.path ? [{ value: "path" as const, label: row.path }] : []),
  ];
  const text = callOf(way, { origin: location.origin, endpoint, path: row.path, row: example, inputs: found.inputs, token: !LOOPBACK.test(location.hostname) });
  return (
    <Panel title="Call it" answers={[last]} actions={<Choice label="Call it with" value={way} options={options} onChange={setWay} />}>
      <div className="columns">
        <div className="call">
          <pre tabIndex={0} aria-label="A request">
            {text}
          </pre>
          <div className="next">
            <Copy text={text} label="Copy request" />
            <a className="button small" href={`/v2/models/${encodeURIComponent(endpoint)}/openapi.json`} target="_blank" rel="noreferrer">
              OpenAPI
            </a>
          </div>
          <Takes metadata={found} />
        </div>
        <TryIt endpoint={endpoint} body={pretty(bodyOf(example))} />
      </div>
    </Panel>
  );
}

/** Inputs in a line: what must be sent, and what may be. */
function Takes({ metadata }: { metadata: ModelMetadata }): ReactNode {
  if (metadata.inputs.length === 0) return null;
  return (
    <p className="hint">
      Takes{" "}
      {metadata.inputs.map((input, i) => (
        <span key={input.name}>
          {i > 0 && ", "}
          <code>{input.name}</code> {input.datatype}
          {input.shape.length > 1 && ` [${input.shape.join(", ")}]`}
          {input.parameters?.optional && " (optional)"}
        </span>
      ))}
    </p>
  );
}

/** A request to edit and to send; it is one like any other, and written down. */
function TryIt({ endpoint, body }: { endpoint: string; body: string }): ReactNode {
  const id = useId();
  const [edited, setEdited] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Raw | null>(null);
  const send = (): void => {
    setBusy(true);
    void answerOf(endpoint, edited ?? body)
      .then(setAnswer)
      .finally(() => setBusy(false));
  };
  return (
    <div className="call">
      <label htmlFor={id}>Try it</label>
      <textarea id={id} spellCheck={false} rows={Math.min(12, Math.max(5, body.split("\n").length))} value={edited ?? body} onChange={(event) => setEdited(event.target.value)} />
      <div className="next">
        <button type="button" className="button small" disabled={busy} onClick={send}>
          {busy ? "Asking …" : "Send"}
        </button>
        {edited !== null && (
          <button type="button" className="button small ghost" onClick={() => setEdited(null)}>
            Start again
          </button>
        )}
        <span className="hint">A request like any other: it is counted and logged.</span>
      </div>
      <div aria-live="polite">
        {answer && (
          <>
            <p className={answer.ok ? "hint" : "bad-text"}>
              {answer.status === 0 ? "No answer" : answer.status} · {milliseconds(answer.ms)} with the way there and back
            </p>
            <pre tabIndex={0} aria-label="The answer">
              {pretty(answer.text)}
            </pre>
          </>
        )}
      </div>
    </div>
  );
}
