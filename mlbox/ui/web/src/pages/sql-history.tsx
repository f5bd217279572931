/** What was run in this browser, to be taken up again. */

import { type ReactNode, type RefObject, useState } from "react";
import { Icon } from "../components/icon";
import { relative } from "../format";
import { forget, past } from "../sql/kept";

interface HistoryProps {
  dialog: RefObject<HTMLDialogElement | null>;
  open: boolean;
  onClose: () => void;
  take: (text: string) => void;
}

export function History({ dialog, open, onClose, take }: HistoryProps): ReactNode {
  const [search, setSearch] = useState("");
  const [, redraw] = useState(0);
  const wanted = search.trim().toLowerCase();
  const found = open ? past().filter((one) => one.text.toLowerCase().includes(wanted)) : [];
  return (
    <dialog
      ref={dialog}
      className="sql-dialog"
      aria-label="History"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) dialog.current?.close();
      }}
    >
      {open && (
        <div className="sql-body">
          <header>
            <h2>History of this browser</h2>
            <button type="button" className="button small" onClick={() => dialog.current?.close()}>
              <Icon name="close" />
              Close
            </button>
          </header>
          <label className="search">
            <span className="unseen">Search the history</span>
            <input type="search" value={search} placeholder="Search" onChange={(event) => setSearch(event.target.value)} />
          </label>
          {found.length === 0 && <p className="hint">{wanted ? "Nothing fits." : "Nothing has been run yet."}</p>}
          <ul className="history">
            {found.map((one) => (
              <li key={one.text}>
                <button
                  type="button"
                  onClick={() => {
                    take(one.text);
                    dialog.current?.close();
                  }}
                >
                  <code>{one.text.slice(0, 400)}</code>
                  <span className="hint">
                    {one.project}, {relative(one.at, Date.now())}
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {found.length > 0 && (
            <button
              type="button"
              className="button small"
              onClick={() => {
                forget();
                redraw((count) => count + 1);
              }}
            >
              Forget all
            </button>
          )}
        </div>
      )}
    </dialog>
  );
}
