/** The viewers of this folder, each a file that exports `viewer`. */

import type { ArtifactRow } from "../rows";
import type { ArtifactViewer } from "./viewer";

const files = import.meta.glob<{ viewer: ArtifactViewer }>("./*.tsx", { eager: true });
const viewers = Object.values(files)
  .map((file) => file.viewer)
  .sort((a, b) => a.order - b.order);

export const viewerOf = (artifact: ArtifactRow): ArtifactViewer | undefined => viewers.find((viewer) => viewer.takes(artifact));
