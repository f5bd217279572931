/** Pages: in a frame that runs no script and loads nothing, or as they are written. */

import type { ReactNode } from "react";
import { artifactUrl } from "../api";
import { TwoForms } from "../components/two-forms";
import type { ArtifactRow } from "../rows";
import { Text } from "./text";
import { type ArtifactViewer, mediaType } from "./viewer";

export const viewer: ArtifactViewer = { order: 60, takes: (artifact) => mediaType(artifact) === "text/html", View: Page };

function Page({ artifact }: { artifact: ArtifactRow }): ReactNode {
  return (
    <TwoForms
      source={<Text artifact={artifact} />}
      page={
        <>
          <iframe className="page-frame" src={artifactUrl(artifact.id)} sandbox="" title={`Page ${artifact.name}`} />
          <p className="hint">Its scripts do not run here, and nothing is loaded from elsewhere. Download it to open it in full.</p>
        </>
      }
    />
  );
}
