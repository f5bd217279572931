/** Pages: in a frame that runs no script and loads nothing, or as they are written. */

import { type ReactNode, useState } from "react";
import { artifactUrl } from "../api";
import { Choice } from "../components/choice";
import type { ArtifactRow } from "../rows";
import { Text } from "./text";
import { type ArtifactViewer, mediaType } from "./viewer";

export const viewer: ArtifactViewer = { order: 60, takes: (artifact) => mediaType(artifact) === "text/html", View: Page };

function Page({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const [form, setForm] = useState<"page" | "source">("page");
  return (
    <div className="viewer">
      <Choice
        label="Show as"
        value={form}
        options={[
          { value: "page", label: "Page" },
          { value: "source", label: "Source" },
        ]}
        onChange={setForm}
      />
      {form === "source" ? (
        <Text artifact={artifact} />
      ) : (
        <>
          <iframe className="page-frame" src={artifactUrl(artifact.id)} sandbox="" title={`Page ${artifact.name}`} />
          <p className="hint">Its scripts do not run here, and nothing is loaded from elsewhere. Download it to open it in full.</p>
        </>
      )}
    </div>
  );
}
