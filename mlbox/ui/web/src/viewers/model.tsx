/** Models: what goes in, what comes out, and what they were trained on. */

import type { ReactNode } from "react";
import { asObject, type Cell } from "../api";
import { ErrorNote } from "../components/notice";
import { Nothing } from "../components/nothing";
import { Pairs } from "../components/pairs";
import { StatisticsTable } from "../components/statistics";
import { Table } from "../components/table";
import { short } from "../format";
import { useStatement } from "../live/statement";
import type { ArtifactRow, MetadataRow } from "../rows";
import { artifactMetadata } from "../statements/artifacts";
import { columnsOf } from "./columns";
import type { ArtifactViewer } from "./viewer";

export const viewer: ArtifactViewer = { order: 30, takes: (artifact) => artifact.kind === "model", View: Model };

interface Slot {
  way: string;
  name: string;
  type: string;
  shape: string;
}

/** `[null, 3]` as `any × 3`. */
const shapeOf = (shape: Cell | undefined): string => (Array.isArray(shape) ? shape.map((size) => (size === null ? "any" : short(size))).join(" × ") : "");

export function slotsOf(way: string, value: Cell | undefined): Slot[] {
  return (Array.isArray(value) ? value : []).map((entry) => {
    const { name, type, shape } = asObject(entry);
    return { way, name: short(name ?? ""), type: typeof type === "string" ? type : "", shape: shapeOf(shape) };
  });
}

function Model({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const answer = useStatement<MetadataRow>(artifactMetadata(artifact.id));
  if (answer.error) return <ErrorNote error={answer.error} />;
  const row = answer.rows?.[0];
  if (!row) return <p className="waiting">Loading …</p>;
  const known = asObject(row.metadata);
  const slots = [...slotsOf("input", known["inputs"]), ...slotsOf("output", known["outputs"])];
  const features = (Array.isArray(known["feature_names"]) ? known["feature_names"] : []).map(String);
  const stats = columnsOf(undefined, known["feature_stats"]);
  const metrics = Object.entries(asObject(known["metrics"]));
  return (
    <div className="viewer">
      <p className="hint">
        {known["framework"] ? `Kept as ${short(known["framework"])}. ` : ""}
        {known["note"] ? short(known["note"]) : ""}
      </p>
      {metrics.length > 0 && (
        <p className="labels">
          Metrics <Pairs values={metrics} most={12} />
        </p>
      )}
      {slots.length > 0 && (
        <Table
          label={`Signature of ${artifact.name}`}
          narrow="scroll"
          rows={slots}
          rowKey={(slot) => `${slot.way} ${slot.name}`}
          columns={[
            { key: "way", title: "", cell: (slot) => slot.way },
            { key: "name", title: "Name", cell: (slot) => slot.name },
            { key: "type", title: "Type", cell: (slot) => slot.type || <Nothing /> },
            { key: "shape", title: "Shape", cell: (slot) => slot.shape || <Nothing /> },
          ]}
        />
      )}
      {stats.length > 0 ? (
        <StatisticsTable label={`Features of ${artifact.name}`} columns={stats} />
      ) : (
        features.length > 0 && <p className="labels">Features {features.join(", ")}</p>
      )}
      {slots.length + stats.length + metrics.length === 0 && <p className="hint">Nothing is known of its inputs and outputs.</p>}
    </div>
  );
}
