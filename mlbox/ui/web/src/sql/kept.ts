/** What this browser remembers: the text in the editor, and what was run. Without storage it lasts as long as the page. */

const DRAFT = "mlbox.sql.draft";
const HISTORY = "mlbox.sql.history";
const MOST = 100;

export interface Past {
  text: string;
  project: string;
  /** ISO 8601. */
  at: string;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Forbidden or full: nothing is remembered.
  }
}

export const draft = (): string | null => read(DRAFT);
export const keepDraft = (text: string): void => write(DRAFT, text);

const isPast = (value: unknown): value is Past =>
  typeof value === "object" && value !== null && typeof (value as Past).text === "string" && typeof (value as Past).at === "string";

export function past(): Past[] {
  try {
    const kept: unknown = JSON.parse(read(HISTORY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPast) : [];
  } catch {
    return [];
  }
}

/** The newest first; a text that was run again moves up. */
export function remember(text: string, project: string, at: string): void {
  const others = past().filter((one) => one.text !== text);
  write(HISTORY, JSON.stringify([{ text, project, at }, ...others].slice(0, MOST)));
}

export const forget = (): void => write(HISTORY, "[]");
