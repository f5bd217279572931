/** Pictures, as pictures: what is written in an SVG does not run there. */

import { artifactUrl } from "../api";
import { type ArtifactViewer, mediaType } from "./viewer";

export const viewer: ArtifactViewer = {
  order: 10,
  takes: (artifact) => mediaType(artifact).startsWith("image/"),
  atOnce: true,
  View: ({ artifact }) => (
    <a href={artifactUrl(artifact.id)} target="_blank" rel="noreferrer">
      <img src={artifactUrl(artifact.id)} alt={`Picture ${artifact.name}`} loading="lazy" />
    </a>
  ),
};
