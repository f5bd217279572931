/** Carries a script out, one statement a request, so that each result shows as soon as it is there. */

import { useCallback, useEffect, useRef, useState } from "react";
import { cancelSql, type ErrorBody, problemOf, runInProject, type StatementResult } from "../api";
import { live } from "../live/stream";
import type { Statement } from "./split";

export type ItemState = "waiting" | "running" | "completed" | "error" | "cancelled";

/** A statement of the script that is or was carried out. */
export interface Item {
  key: string;
  statement: Statement;
  project: string;
  state: ItemState;
  result: StatementResult | null;
  error: ErrorBody | null;
  /** From 0 to 1, where the server knows. */
  progress: number | null;
  startedAt: number;
}

interface Script {
  items: readonly Item[];
  busy: boolean;
  run: (statements: readonly Statement[], project: string, rowLimit: number) => void;
  cancel: () => void;
}

interface Ends {
  /** A statement failed. */
  failed: (statement: Statement, error: ErrorBody) => void;
  /** All is over; `project` is the one in use at the end. */
  over: (project: string) => void;
}

const idOf = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export function useScript(ends: Ends): Script {
  const [items, setItems] = useState<readonly Item[]>([]);
  const [busy, setBusy] = useState(false);
  const running = useRef<string | null>(null);
  const stopped = useRef(false);
  const told = useRef(ends);
  told.current = ends;

  const change = useCallback((key: string, part: Partial<Item>) => {
    setItems((was) => was.map((item) => (item.key === key ? { ...item, ...part } : item)));
  }, []);

  useEffect(
    () =>
      live.listen((event) => {
        if (event.kind === "statement.progress" && event.object === running.current && typeof event.data["progress"] === "number") {
          change(event.object, { progress: event.data["progress"] });
        }
      }),
    [change],
  );

  // Whoever leaves the page does not want its statement to go on.
  useEffect(() => {
    stopped.current = false;
    return () => {
      stopped.current = true;
      if (running.current) void cancelSql(running.current).catch(() => undefined);
    };
  }, []);

  const run = useCallback(
    (statements: readonly Statement[], project: string, rowLimit: number) => {
      if (running.current !== null || statements.length === 0) return;
      const todo = statements.map(
        (statement): Item => ({ key: idOf(), statement, project, state: "waiting", result: null, error: null, progress: null, startedAt: 0 }),
      );
      setItems(todo);
      setBusy(true);
      stopped.current = false;
      const carry = async (): Promise<void> => {
        let inUse = project;
        for (const item of todo) {
          if (stopped.current) {
            change(item.key, { state: "cancelled" });
            continue;
          }
          running.current = item.key;
          change(item.key, { state: "running", project: inUse, startedAt: Date.now() });
          try {
            const answer = await runInProject({ sql: item.statement.text, project: inUse, queryId: item.key, rowLimit });
            inUse = answer.project;
            change(item.key, { state: "completed", result: answer.results.at(-1) ?? null });
          } catch (problem) {
            const error = problemOf(problem);
            change(item.key, { state: error.code === "cancelled" ? "cancelled" : "error", error });
            stopped.current = true;
            told.current.failed(item.statement, error);
          }
        }
        running.current = null;
        setBusy(false);
        told.current.over(inUse);
      };
      void carry();
    },
    [change],
  );

  const cancel = useCallback(() => {
    stopped.current = true;
    if (running.current) void cancelSql(running.current).catch(() => undefined);
  }, []);

  return { items, busy, run, cancel };
}
