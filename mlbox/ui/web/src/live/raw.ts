/** A statement's result as it is, once. */

import { useEffect, useState } from "react";
import { type ErrorBody, problemOf, runInProject, type StatementResult } from "../api";

interface Raw {
  result: StatementResult | null;
  error: ErrorBody | null;
}

export function useRawStatement(sql: string | null, project: string): Raw {
  const [state, setState] = useState<Raw>({ result: null, error: null });
  useEffect(() => {
    if (sql === null) return;
    let wanted = true;
    runInProject({ sql, project }).then(
      (answer) => wanted && setState({ result: answer.results.at(-1) ?? null, error: null }),
      (problem: unknown) =>
        wanted && setState({ result: null, error: problemOf(problem) }),
    );
    return () => {
      wanted = false;
    };
  }, [sql, project]);
  return state;
}
