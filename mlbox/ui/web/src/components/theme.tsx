import { type ReactNode, useState } from "react";
import { Icon } from "./icon";

type Theme = "system" | "light" | "dark";
const KEY = "mlbox.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const WORDS: Record<Theme, readonly ["system" | "sun" | "moon", string]> = {
  system: ["system", "System theme"],
  light: ["sun", "Light theme"],
  dark: ["moon", "Dark theme"],
};

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system";
  }
}

/** Follows the system until somebody chooses. */
export function ThemeToggle(): ReactNode {
  const [theme, setTheme] = useState(stored);
  const turn = (): void => {
    const next = NEXT[theme];
    setTheme(next);
    if (next === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = next;
    try {
      if (next === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, next);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  };
  const [icon, word] = WORDS[theme];
  return (
    <button type="button" className="button ghost" onClick={turn} aria-label={`${word}. Change theme`} title={word}>
      <Icon name={icon} />
    </button>
  );
}
