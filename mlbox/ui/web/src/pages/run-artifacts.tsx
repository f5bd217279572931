import type { ReactNode } from "react";
import { artifactUrl } from "../api";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Nothing } from "../components/nothing";
import { Panel } from "../components/panel";
import { Table } from "../components/table";
import { bytes, plural } from "../format";
import type { Answer } from "../live/statement";
import type { ArtifactRow } from "../rows";

const isPicture = (artifact: ArtifactRow): boolean => artifact.media_type?.startsWith("image/") ?? false;

/** Pictures that the run has drawn. */
export function PicturesPanel({ answer }: { answer: Answer<ArtifactRow> }): ReactNode {
  const pictures = (answer.rows ?? []).filter(isPicture);
  if (pictures.length === 0) return null;
  return (
    <Panel title="Pictures" answers={[answer]} note={plural(pictures.length, "picture")}>
      <div className="pictures">
        {pictures.map((picture) => (
          <figure key={picture.id}>
            <a href={artifactUrl(picture.id)} target="_blank" rel="noreferrer">
              <img src={artifactUrl(picture.id)} alt={`Picture ${picture.name}`} loading="lazy" />
            </a>
            <figcaption>{picture.name}</figcaption>
          </figure>
        ))}
      </div>
    </Panel>
  );
}

export function ArtifactsPanel({ answer, best }: { answer: Answer<ArtifactRow>; best: string | null }): ReactNode {
  const rows = answer.rows ?? [];
  return (
    <Panel title="Artifacts" answers={[answer]} note={rows.length > 0 && plural(rows.length, "artifact")}>
      {rows.length > 0 ? (
        <Table
          label="Artifacts"
          rows={rows}
          rowKey={(row) => row.id}
          columns={[
            { key: "name", title: "Name", head: true, cell: (row) => row.name },
            { key: "kind", title: "Kind", cell: (row) => row.kind },
            { key: "file", title: "File", cell: (row) => row.file_name ?? <Nothing /> },
            { key: "type", title: "Type", cell: (row) => row.media_type ?? <Nothing /> },
            { key: "size", title: "Size", right: true, className: "nowrap", cell: (row) => bytes(row.size) },
            { key: "digest", title: "SHA-256", cell: (row) => <code title={row.digest}>{row.digest.replace(/^sha256:/, "").slice(0, 12)}</code> },
            {
              key: "get",
              title: "Download",
              cell: (row) => (
                <a className="button small" href={artifactUrl(row.id)} download={row.file_name ?? row.name}>
                  <Icon name="download" />
                  <span className="unseen">{row.name} </span>Download
                </a>
              ),
            },
          ]}
        />
      ) : best ? (
        <Empty title="The trials keep their own artifacts">
          <p>
            Those of the best one are <Link to={{ page: "run", id: best }}>with it</Link>.
          </p>
        </Empty>
      ) : (
        <Empty title="No artifacts" statement={'ctx.log_model("model", onnx_model, training_set=frame)\nctx.log_plot("roc", figure)'}>
          <p>Models, data sets, pictures and files that the handler logs are kept here:</p>
        </Empty>
      )}
    </Panel>
  );
}
