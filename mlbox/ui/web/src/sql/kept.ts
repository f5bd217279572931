/** What this browser remembers: the text in the editor, and what was run. Without storage it lasts as long as the page.
 * Statements in whose text credentials may stand are left out. */
import { split } from "./split";

const DRAFT = "mlbox.sql.draft";
const HISTORY = "mlbox.sql.history";
const MOST = 100;
const BLANK = String.raw`(?:\s|/\*.*?\*/|--[^\n]*\n)+`;
const PRIVATE = new RegExp(String.raw`\b(SET${BLANK}SECRET|CREATE${BLANK}(OR${BLANK}REPLACE${BLANK})?PROFILE)\b`, "is");

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
export const keepDraft = (text: string): void => write(DRAFT, discreet(text));

/** The text without its private statements. */
export function discreet(text: string): string {
  let left = text;
  for (const one of split(text).reverse()) {
    if (PRIVATE.test(one.text)) left = left.slice(0, one.from) + left.slice(one.to).replace(/^\s*;/, "");
  }
  return left;
}

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
export function remember(whole: string, project: string, at: string): void {
  const text = discreet(whole).trim();
  if (!text) return;
  const others = past().filter((one) => one.text !== text);
  write(HISTORY, JSON.stringify([{ text, project, at }, ...others].slice(0, MOST)));
}

export const forget = (): void => write(HISTORY, "[]");
