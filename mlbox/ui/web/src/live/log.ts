import { useCallback, useEffect, useRef, useState } from "react";
import { type ErrorBody, problemOf, runLog } from "../api";

const FOLLOW_MS = 1500;
/** Older text is dropped from the page, not from the server. */
const KEPT = 400_000;

export interface Log {
  text: string;
  /** Whether the beginning was dropped. */
  cut: boolean;
  error: ErrorBody | null;
  loaded: boolean;
}

/** A run's log from its beginning; more is fetched while `going`, and once more when it ends. */
export function useLog(id: string, going: boolean): Log {
  const [log, setLog] = useState<Log>({ text: "", cut: false, error: null, loaded: false });
  const next = useRef(0);
  const decoder = useRef(new TextDecoder());

  const add = useCallback((piece: string) => {
    setLog((was) => {
      const text = was.text + piece;
      if (text.length <= KEPT) return { ...was, text, error: null, loaded: true };
      const start = text.indexOf("\n", text.length - KEPT) + 1;
      return { text: text.slice(start), cut: true, error: null, loaded: true };
    });
  }, []);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        for (;;) {
          const chunk = await runLog(id, next.current, stop.signal);
          const moved = chunk.next > next.current;
          next.current = chunk.next;
          add(decoder.current.decode(chunk.bytes, { stream: true }));
          if (!moved) break;
        }
      } catch (problem) {
        if (stop.signal.aborted) return;
        const error = problemOf(problem);
        setLog((was) => ({ ...was, error, loaded: true }));
      }
      if (going && !stop.signal.aborted) timer = setTimeout(() => void look(), FOLLOW_MS);
    };
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id, going, add]);

  return log;
}
