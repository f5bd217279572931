/** Folders, which are kept as a zip: what is in them. */

import type { ReactNode } from "react";
import { asObject } from "../api";
import { ErrorNote } from "../components/notice";
import { number, plural } from "../format";
import { useStatement } from "../live/statement";
import type { ArtifactRow, MetadataRow } from "../rows";
import { artifactMetadata } from "../statements/artifacts";
import type { ArtifactViewer } from "./viewer";

const MOST = 500;

export const viewer: ArtifactViewer = { order: 30, takes: (artifact) => artifact.kind === "folder", View: Folder };

function Folder({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const answer = useStatement<MetadataRow>(artifactMetadata(artifact.id));
  if (answer.error) return <ErrorNote error={answer.error} />;
  const row = answer.rows?.[0];
  if (!row) return <p className="waiting">Loading …</p>;
  const listed = asObject(row.metadata)["files"];
  const files = (Array.isArray(listed) ? listed : []).map(String);
  return (
    <div className="viewer">
      <p className="hint">{files.length > 0 ? plural(files.length, "file") : "Its files are not known; download the zip."}</p>
      <ul className="file-list">
        {files.slice(0, MOST).map((file) => (
          <li key={file}>
            <code>{file}</code>
          </li>
        ))}
      </ul>
      {files.length > MOST && <p className="hint">and {number(files.length - MOST)} more</p>}
    </div>
  );
}
