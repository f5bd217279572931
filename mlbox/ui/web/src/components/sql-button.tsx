import { type ReactNode, useRef, useState } from "react";
import { Copy } from "./copy";
import { Icon } from "./icon";
import { Link } from "./link";

/** Shows the exact statements that fill a panel, and copies them. */
export function SqlButton({ title, statements }: { title: string; statements: readonly string[] }): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  if (statements.length === 0) return null;
  const show = (): void => {
    setOpen(true);
    dialog.current?.showModal();
  };
  return (
    <>
      <button type="button" className="sql-button" aria-label={`SQL of ${title}`} title="The statement behind this panel" onClick={show}>
        SQL
      </button>
      <dialog
        ref={dialog}
        className="sql-dialog"
        aria-label={`SQL of ${title}`}
        onClose={() => setOpen(false)}
        onClick={(event) => {
          if (event.target === event.currentTarget) dialog.current?.close();
        }}
      >
        {open && (
          <div className="sql-body">
            <header>
              <h2>{title}</h2>
              <button type="button" className="button small" onClick={() => dialog.current?.close()}>
                <Icon name="close" />
                Close
              </button>
            </header>
            {statements.map((statement) => (
              <section key={statement}>
                <pre tabIndex={0}>{`${statement};`}</pre>
                <div className="sql-actions">
                  <Copy text={`${statement};`} label="Copy statement" />
                  <Link to={{ page: "sql", text: `${statement};` }} className="button small">
                    <Icon name="sql" />
                    Open in the SQL page
                  </Link>
                </div>
              </section>
            ))}
            <p className="hint">
              Runs as it stands in <code>mlbox sql</code>, in any SQL client of mlbox, and by <code>POST /sql</code>.
            </p>
          </div>
        )}
      </dialog>
    </>
  );
}
