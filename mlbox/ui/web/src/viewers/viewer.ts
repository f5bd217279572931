/** What every viewer of artifacts is. One more kind of artifact on the run's page is one more file in this folder. */

import type { ComponentType } from "react";
import type { ArtifactRow } from "../rows";

export interface ArtifactViewer {
  /** Where several take an artifact, the one with the lowest order shows it. */
  order: number;
  takes: (artifact: ArtifactRow) => boolean;
  /** Shown among the plots of the run, without being opened. */
  atOnce?: boolean;
  View: ComponentType<{ artifact: ArtifactRow }>;
}

export const ending = (artifact: ArtifactRow): string => /\.(\w+)$/.exec(artifact.file_name ?? artifact.name)?.[1]?.toLowerCase() ?? "";

export const mediaType = (artifact: ArtifactRow): string => artifact.media_type?.split(";")[0]?.trim() ?? "";

export const isJson = (artifact: ArtifactRow): boolean => /[/+]json$/.test(mediaType(artifact));
