import { type ReactNode, useState } from "react";
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
import { viewerOf } from "../viewers";

/** Plots that are drawn without being asked for; each interactive one costs a frame. */
const AT_ONCE = 12;

/** Pictures and figures that the run has drawn. */
export function PlotsPanel({ answer }: { answer: Answer<ArtifactRow> }): ReactNode {
  const [all, setAll] = useState(false);
  const plots = (answer.rows ?? []).flatMap((artifact) => {
    const viewer = viewerOf(artifact);
    return viewer?.atOnce ? [{ artifact, View: viewer.View }] : [];
  });
  if (plots.length === 0) return null;
  return (
    <Panel title="Plots" answers={[answer]} note={plural(plots.length, "plot")}>
      <div className="plots">
        {(all ? plots : plots.slice(0, AT_ONCE)).map(({ artifact, View }) => (
          <figure key={artifact.id}>
            <figcaption>{artifact.name}</figcaption>
            <View artifact={artifact} />
          </figure>
        ))}
      </div>
      {!all && plots.length > AT_ONCE && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          Draw {plural(plots.length - AT_ONCE, "more plot")}
        </button>
      )}
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
