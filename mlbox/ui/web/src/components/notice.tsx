import type { ReactNode } from "react";
import type { ErrorBody } from "../api";
import { Copy } from "./copy";

/** An error as the server's envelope tells it: code, message, place, hint. */
export function ErrorNote({ error, retry }: { error: ErrorBody; retry?: () => void }): ReactNode {
  return (
    <div className="note bad" role="alert">
      <p>
        <code className="code">{error.code}</code> {error.message}
      </p>
      {error.where && (
        <pre>{`${error.where.text}\n${" ".repeat(Math.max(0, error.where.column - 1))}^ line ${error.where.line}, column ${error.where.column}`}</pre>
      )}
      {error.hint && <p className="hint">{error.hint}</p>}
      {retry && (
        <button type="button" className="button small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

interface EmptyProps {
  title: string;
  children?: ReactNode;
  /** The statement to type next. */
  statement?: string;
}

/** Nothing there yet: says why, and what to type next. */
export function Empty({ title, children, statement }: EmptyProps): ReactNode {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children && <div className="empty-text">{children}</div>}
      {statement && (
        <div className="empty-statement">
          <pre tabIndex={0}>{statement}</pre>
          <Copy text={statement} />
        </div>
      )}
    </div>
  );
}
