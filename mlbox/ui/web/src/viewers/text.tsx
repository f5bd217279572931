/** Text, code, JSON and YAML. */

import { type ReactNode, useMemo } from "react";
import { Copy } from "../components/copy";
import { ErrorNote } from "../components/notice";
import { bytes } from "../format";
import { useContent } from "../live/content";
import type { ArtifactRow } from "../rows";
import { type ArtifactViewer, ending, isJson, mediaType } from "./viewer";

/** More of a text than this is for an editor, bytes. */
export const MOST = 256_000;
const KINDS = /^(text\/|application\/(x-)?(yaml|xml|toml|javascript|x-ndjson|x-python)$)/;
const ENDINGS = ["cfg", "conf", "ini", "jsonl", "log", "ndjson", "py", "sh", "sql", "toml", "txt", "xml", "yaml", "yml"];

export const viewer: ArtifactViewer = {
  order: 80,
  takes: (artifact) => isJson(artifact) || KINDS.test(mediaType(artifact)) || ENDINGS.includes(ending(artifact)),
  View: Text,
};

/** JSON on many lines, unless it is no JSON or only its beginning. */
function legible(text: string, json: boolean): string {
  if (!json) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function Text({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const content = useContent(artifact, MOST);
  const text = useMemo(() => legible(content.text ?? "", isJson(artifact)), [content.text, artifact]);
  if (content.error) return <ErrorNote error={content.error} />;
  if (content.text === null) return <p className="waiting">Loading …</p>;
  if (text === "") return <p className="hint">It is empty.</p>;
  return (
    <div className="viewer">
      {artifact.size > MOST && <p className="hint">{`The first ${bytes(MOST)} of ${bytes(artifact.size)}; download it to have all.`}</p>}
      <pre className="log wrap" tabIndex={0} aria-label={`Text of ${artifact.name}`}>
        {text}
      </pre>
      <div>
        <Copy text={text} />
      </div>
    </div>
  );
}
