/** A statement's rows, kept fresh. */

import { useCallback, useEffect, useRef, useState } from "react";
import { type ErrorBody, problemOf, records, runSql } from "../api";
import { live, type LiveEvent } from "./stream";

export interface Answer<T> {
  /** The exact statement, for the panel's SQL button; null when there is nothing to ask yet. */
  sql: string | null;
  rows: T[] | null;
  error: ErrorBody | null;
  /** True until the first answer to this statement; a refresh is silent. */
  loading: boolean;
  reload: () => void;
}

interface Fresh {
  /** Prefixes of event kinds after which the rows may differ (`run.`). */
  events?: readonly string[];
  /** Ask again every so many milliseconds, for what is told by no event. */
  every?: number | undefined;
  /** Ask again when this changes. */
  on?: string | number | null;
}

interface State<T> {
  sql: string | null;
  rows: T[] | null;
  error: ErrorBody | null;
  text: string;
}

const SETTLE_MS = 300;

const concerns = (event: LiveEvent, prefixes: readonly string[]): boolean =>
  event.kind === "tick" || prefixes.some((prefix) => event.kind.startsWith(prefix));

/** Asks one statement, never twice at once: what is asked meanwhile is asked once more afterwards. */
function asker(ask: (signal: AbortSignal) => Promise<void>): { ask: () => void; stop: () => void } {
  const abort = new AbortController();
  let busy = false;
  let again = false;
  const run = async (): Promise<void> => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await ask(abort.signal);
    } while (again && !abort.signal.aborted);
    busy = false;
  };
  return { ask: () => void run(), stop: () => abort.abort() };
}

/** Run `sql` (null: nothing yet) and again when something happened. Old rows stay until the new ones are there. */
export function useStatement<T>(sql: string | null, fresh: Fresh = {}): Answer<T> {
  const [state, setState] = useState<State<T>>({ sql: null, rows: null, error: null, text: "" });
  const current = useRef<() => void>(() => {});
  const reload = useCallback(() => current.current(), []);

  useEffect(() => {
    if (sql === null) return;
    const { ask, stop } = asker(async (signal) => {
      try {
        const result = await runSql(sql, signal);
        const text = JSON.stringify(result.rows);
        // The same answer must not draw the page anew.
        setState((was) =>
          was.sql === sql && was.text === text && was.error === null ? was : { sql, rows: records<T>(result), error: null, text },
        );
      } catch (problem) {
        if (!signal.aborted) setState((was) => ({ ...was, sql, error: problemOf(problem) }));
      }
    });
    current.current = ask;
    ask();
    return stop;
  }, [sql]);

  const events = (fresh.events ?? []).join(" ");
  useEffect(() => {
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const prefixes = events === "" ? [] : events.split(" ");
    const stop = live.listen((event) => {
      if (!concerns(event, prefixes)) return;
      // Not put off by further events: a busy server must not keep the page from looking.
      waiting ??= setTimeout(() => {
        waiting = undefined;
        reload();
      }, SETTLE_MS);
    });
    return () => {
      stop();
      clearTimeout(waiting);
    };
  }, [events, reload]);

  const every = fresh.every;
  useEffect(() => {
    if (!every) return;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, every);
    return () => clearInterval(timer);
  }, [every, reload]);

  const on = fresh.on;
  const before = useRef(on);
  useEffect(() => {
    if (before.current === on) return;
    before.current = on;
    reload();
  }, [on, reload]);

  return { sql, rows: state.rows, error: state.error, loading: sql !== null && state.sql !== sql, reload };
}
