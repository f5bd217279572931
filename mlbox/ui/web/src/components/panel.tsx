import { type ReactNode, useId } from "react";
import type { Answer } from "../live/statement";
import { ErrorNote } from "./notice";
import { SqlButton } from "./sql-button";

interface PanelProps {
  title: string;
  /** What fills the panel: its statements are shown, its errors told. */
  answers: readonly Pick<Answer<unknown>, "sql" | "rows" | "error" | "loading" | "reload">[];
  /** Beside the title. */
  note?: ReactNode;
  actions?: ReactNode;
  className?: string;
  level?: "h1" | "h2";
  children: ReactNode;
}

/** A titled part of a page with its SQL button. */
export function Panel({ title, answers, note, actions, className = "", level: Heading = "h2", children }: PanelProps): ReactNode {
  const heading = useId();
  const failed = answers.find((answer) => answer.error !== null);
  const waiting = answers.some((answer) => answer.loading && answer.rows === null && answer.error === null);
  const stale = answers.some((answer) => answer.loading && answer.rows !== null);
  const statements = answers.map((answer) => answer.sql).filter((sql): sql is string => sql !== null);
  return (
    <section className={`panel ${className}`} aria-labelledby={heading} aria-busy={waiting}>
      <header className="panel-head">
        <Heading id={heading}>{title}</Heading>
        {note && <span className="panel-note">{note}</span>}
        <div className="panel-actions">
          {actions}
          <SqlButton title={title} statements={statements} />
        </div>
      </header>
      {failed?.error && <ErrorNote error={failed.error} retry={failed.reload} />}
      {waiting ? (
        <p className="waiting">Loading …</p>
      ) : failed && failed.rows === null ? null : (
        <div className={stale ? "panel-body stale" : "panel-body"}>{children}</div>
      )}
    </section>
  );
}
