/** The bytes of an artifact as text, from its beginning. */

import { useEffect, useState } from "react";
import { artifactText, type ErrorBody, problemOf } from "../api";

export interface Content {
  text: string | null;
  error: ErrorBody | null;
}

/** At most `most` bytes; nothing is asked for where there is nothing, or where it is not `wanted`. */
export function useContent({ id, size }: { id: string; size: number }, most: number, wanted = true): Content {
  const [content, setContent] = useState<Content>({ text: size === 0 ? "" : null, error: null });
  useEffect(() => {
    if (!wanted || size === 0) return;
    const control = new AbortController();
    artifactText(id, most, control.signal).then(
      (text) => setContent({ text, error: null }),
      (error: unknown) => {
        if (control.signal.aborted) return;
        const body = problemOf(error, "content");
        setContent({ text: null, error: body });
      },
    );
    return () => control.abort();
  }, [id, size, most, wanted]);
  return content;
}
