import { type ReactNode, useEffect, useState } from "react";
import { Icon, type IconName } from "./icon";

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

interface CopyProps {
  /** What is copied, or how to make it. */
  text: string | (() => string);
  label?: string;
  icon?: IconName;
}

export function Copy({ text, label = "Copy", icon = "copy" }: CopyProps): ReactNode {
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
      onClick={() => void toClipboard(typeof text === "string" ? text : text()).then((done) => setSaid(done ? "Copied" : "Press Ctrl+C"))}
    >
      <Icon name={said === "Copied" ? "completed" : icon} />
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}
