import { type ReactNode, useEffect, useState } from "react";
import { Icon } from "./icon";

/** To the clipboard; by the old way where a page without TLS may not use the new one. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }): ReactNode {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button
      type="button"
      className="button small"
      onClick={() => void toClipboard(text).then((done) => setSaid(done ? "Copied" : "Press Ctrl+C"))}
    >
      <Icon name={said === "Copied" ? "completed" : "copy"} />
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}
