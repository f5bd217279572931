import { type ReactNode, useState } from "react";
import { artifactUrl } from "../api";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Nothing } from "../components/nothing";
import { Panel } from "../components/panel";
import { SqlButton } from "../components/sql-button";
import { Table } from "../components/table";
import { bytes, plural } from "../format";
import type { Answer } from "../live/statement";
import { useQuery } from "../router";
import type { ArtifactRow } from "../rows";
import { artifactMetadata } from "../statements/artifacts";
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

/** What the run keeps; the address names the one that is open. */
export function ArtifactsPanel({ answer, best }: { answer: Answer<ArtifactRow>; best: string | null }): ReactNode {
  const [open, setOpen] = useQuery("artifact");
  const rows = answer.rows ?? [];
  const shown = rows.findLast((row) => row.name === open);
  return (
    <Panel title="Artifacts" answers={[answer]} note={rows.length > 0 && plural(rows.length, "artifact")}>
      {rows.length > 0 ? (
        <>
          {shown && <Opened key={shown.id} artifact={shown} onClose={() => setOpen("")} />}
          <Table
            label="Artifacts"
            rows={rows}
            rowKey={(row) => row.id}
            rowClass={(row) => (row.id === shown?.id ? "chosen" : "")}
            columns={[
              { key: "name", title: "Name", head: true, className: "breaking", cell: (row) => <Name row={row} open={row.id === shown?.id} onOpen={setOpen} /> },
              { key: "kind", title: "Kind", cell: (row) => row.kind },
              { key: "version", title: "Version", right: true, cell: (row) => row.version ?? <Nothing /> },
              { key: "type", title: "Type", className: "breaking", cell: (row) => row.media_type ?? <Nothing /> },
              { key: "size", title: "Size", right: true, className: "nowrap", cell: (row) => bytes(row.size) },
              { key: "digest", title: "SHA-256", cell: (row) => <code title={row.digest}>{row.digest.replace(/^sha256:/, "").slice(0, 12)}</code> },
              {
                key: "get",
                title: "Download",
                cell: (row) => (
                  <a className="button small" href={artifactUrl(row.id)} download={row.file_name ?? row.name} title={row.file_name ?? row.name}>
                    <Icon name="download" />
                    <span className="unseen">{row.name} </span>Download
                  </a>
                ),
              },
            ]}
          />
        </>
      ) : best ? (
        <Empty title="The trials keep their own artifacts">
          <p>
            Those of the best one are <Link to={{ page: "run", id: best }}>with it</Link>.
          </p>
        </Empty>
      ) : (
        <Empty title="No artifacts" statement={'ctx.log_model("model", onnx_model, training_set=frame)\nctx.log_plot("roc", figure)'}>
          <p>Models, data sets, plots and files that the handler logs are kept here:</p>
        </Empty>
      )}
    </Panel>
  );
}

/** A name that opens what it names, where there is a way to show it. */
function Name({ row, open, onOpen }: { row: ArtifactRow; open: boolean; onOpen: (name: string) => void }): ReactNode {
  if (!viewerOf(row)) return row.name;
  return (
    <button type="button" className="link" aria-expanded={open} onClick={() => onOpen(open ? "" : row.name)}>
      {row.name}
    </button>
  );
}

function Opened({ artifact, onClose }: { artifact: ArtifactRow; onClose: () => void }): ReactNode {
  const viewer = viewerOf(artifact);
  return (
    <section className="opened" aria-label={`Artifact ${artifact.name}`}>
      <header>
        <h3 className="breaking">{artifact.name}</h3>
        <SqlButton title={artifact.name} statements={[artifactMetadata(artifact.id)]} />
        <button type="button" className="button small" onClick={onClose}>
          <Icon name="close" />
          Close
        </button>
      </header>
      {viewer ? <viewer.View artifact={artifact} /> : <p className="hint">There is no way to show this kind here; download it.</p>}
    </section>
  );
}
