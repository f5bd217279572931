/** CSV, as rows. */

import { type ReactNode, useMemo } from "react";
import { Grid } from "../components/grid";
import { ErrorNote } from "../components/notice";
import { bytes, number } from "../format";
import { useContent } from "../live/content";
import type { ArtifactRow } from "../rows";
import { parseCsv } from "../sql/csv";
import { type ArtifactViewer, mediaType } from "./viewer";

const MOST = 512_000;

export const viewer: ArtifactViewer = { order: 50, takes: (artifact) => mediaType(artifact) === "text/csv", View: Rows };

function Rows({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const content = useContent(artifact, MOST);
  const cut = artifact.size > MOST;
  const [head = [], ...rows] = useMemo(() => parseCsv(content.text ?? "", cut), [content.text, cut]);
  const columns = head.map((name, i) => {
    const numeric = rows.length > 0 && rows.every((row) => row[i] === "" || !Number.isNaN(Number(row[i])));
    return { name, type: numeric ? "double" : "string" };
  });
  if (content.error) return <ErrorNote error={content.error} />;
  if (content.text === null) return <p className="waiting">Loading …</p>;
  return (
    <div className="viewer">
      {cut && <p className="hint">{`The first ${number(rows.length)} rows of ${bytes(artifact.size)}; download it to have all.`}</p>}
      <Grid label={artifact.name} columns={columns} rows={rows.map((row) => columns.map((_, i) => row[i] ?? null))} />
    </div>
  );
}
