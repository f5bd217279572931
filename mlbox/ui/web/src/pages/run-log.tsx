import { type ReactNode, useEffect, useRef, useState } from "react";
import { Empty, ErrorNote } from "../components/notice";
import { Panel } from "../components/panel";
import { useLog } from "../live/log";

/** What the run has printed; the end is followed until somebody scrolls up. */
export function LogPanel({ id, going, isSweep }: { id: string; going: boolean; isSweep: boolean }): ReactNode {
  const log = useLog(id, going);
  const [follow, setFollow] = useState(true);
  const [wrap, setWrap] = useState(true);
  const box = useRef<HTMLPreElement>(null);

  useEffect(() => {
    const element = box.current;
    if (follow && element) element.scrollTop = element.scrollHeight;
  }, [log.text, follow, wrap]);

  if (isSweep && log.text === "") return null;
  return (
    <Panel
      title="Log"
      answers={[]}
      note={going ? "still writing" : null}
      actions={
        <>
          <Toggle label="Follow" on={follow} onChange={setFollow} />
          <Toggle label="Wrap" on={wrap} onChange={setWrap} />
          <a className="button small" href={`/runs/${encodeURIComponent(id)}/log`} target="_blank" rel="noreferrer">
            Open
          </a>
        </>
      }
    >
      {log.error && log.error.code !== "not_found" && <ErrorNote error={log.error} />}
      {log.cut && <p className="hint">Only the end is kept on this page.</p>}
      {log.text !== "" ? (
        <pre
          ref={box}
          className={wrap ? "log wrap" : "log"}
          tabIndex={0}
          role="log"
          aria-label="Log"
          aria-live="off"
          onScroll={(event) => {
            const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
            const atEnd = scrollHeight - scrollTop - clientHeight < 24;
            if (!atEnd && follow && event.nativeEvent.isTrusted && box.current?.matches(":hover, :focus")) setFollow(false);
          }}
        >
          {log.text}
        </pre>
      ) : log.loaded ? (
        <Empty title={going ? "Nothing printed yet" : "The run printed nothing"} />
      ) : (
        <p className="waiting">Loading …</p>
      )}
    </Panel>
  );
}

function Toggle({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }): ReactNode {
  return (
    <button type="button" className="button small" aria-pressed={on} onClick={() => onChange(!on)}>
      {label}
    </button>
  );
}
