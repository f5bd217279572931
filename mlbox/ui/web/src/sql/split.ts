/** Cuts a script into statements, as the server does: semicolons in strings, names and comments do not count, nor those
 * in brackets of mlbox's own statements. */
import { STARTS } from "./words";

export interface Statement {
  /** Without the semicolon and the comments before it. */
  text: string;
  /** Where it starts and ends in the script, in UTF-16 units. */
  from: number;
  to: number;
}

interface Piece {
  kind: "space" | "comment" | "semicolon" | "open" | "close" | "other";
  from: number;
  to: number;
}

const TAG = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/;
/** A dollar inside a word begins no quoted text. */
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;

/** The end of a text that starts at `from` and is closed by `mark`; doubled marks stand for themselves. */
function closed(script: string, from: number, mark: string): number {
  let at = script.indexOf(mark, from + 1);
  while (at >= 0 && script[at + 1] === mark) at = script.indexOf(mark, at + 2);
  return at < 0 ? script.length : at + 1;
}

/** As `closed`, where a backslash takes the character behind it along: E'it\\'s'. */
function closedEscaped(script: string, from: number): number {
  for (let at = from + 1; at < script.length; at++) {
    if (script[at] === "\\") at++;
    else if (script[at] === "'") {
      if (script[at + 1] !== "'") return at + 1;
      at++;
    }
  }
  return script.length;
}

function blockEnd(script: string, from: number): number {
  let depth = 0;
  for (let at = from; at < script.length - 1; at++) {
    const two = script.slice(at, at + 2);
    if (two === "/*") depth++;
    else if (two === "*/") depth--;
    else continue;
    at++;
    if (depth === 0) return at + 1;
  }
  return script.length;
}

function pieceAt(script: string, from: number): Piece {
  const char = script[from] ?? "";
  const rest = script.slice(from, from + 40);
  if (/\s/.test(char)) return { kind: "space", from, to: from + 1 };
  if (rest.startsWith("--")) {
    const end = script.indexOf("\n", from);
    return { kind: "comment", from, to: end < 0 ? script.length : end + 1 };
  }
  if (rest.startsWith("/*")) return { kind: "comment", from, to: blockEnd(script, from) };
  if (char === "'" || char === '"') return { kind: "other", from, to: closed(script, from, char) };
  if ((char === "E" || char === "e") && script[from + 1] === "'") return { kind: "other", from, to: closedEscaped(script, from + 1) };
  WORD.lastIndex = from;
  const word = WORD.exec(script)?.[0];
  if (word) return { kind: "other", from, to: from + word.length };
  const tag = TAG.exec(rest)?.[0];
  if (tag) {
    const end = script.indexOf(tag, from + tag.length);
    return { kind: "other", from, to: end < 0 ? script.length : end + tag.length };
  }
  const kind = char === ";" ? "semicolon" : "([{".includes(char) ? "open" : ")]}".includes(char) ? "close" : "other";
  return { kind, from, to: from + 1 };
}

const OURS = new Set(STARTS.split(" "));

/** Whether the statement at `from` is one of mlbox's own, in which semicolons in brackets belong to it. */
function isOurs(script: string, from: number): boolean {
  const words: string[] = [];
  for (let at = from; at < script.length && words.length < 8; ) {
    const piece = pieceAt(script, at);
    at = piece.to;
    if (piece.kind === "space" || piece.kind === "comment") continue;
    words.push(script.slice(piece.from, piece.to).toLowerCase());
  }
  while (words[0] === "explain") words.splice(0, words[1] === "analyze" ? 2 : 1);
  if (words[0] === "create" && words[1] === "or" && words[2] === "replace") words.splice(1, 2);
  return OURS.has(words[0] ?? "") || OURS.has(`${words[0]}_${words[1]}`);
}

export function split(script: string): Statement[] {
  const found: Statement[] = [];
  let start = -1;
  let end = -1;
  let depth = 0;
  let ours = false;
  /** The first semicolon inside brackets: a bracket that is never closed must not swallow what follows. */
  let inner = -1;
  const finish = (): void => {
    if (start >= 0) found.push({ text: script.slice(start, end), from: start, to: end });
    start = end = inner = -1;
    depth = 0;
  };
  let at = 0;
  for (;;) {
    if (at >= script.length) {
      if (start < 0 || depth <= 0 || inner < 0) break;
      end = script.slice(start, inner).trimEnd().length + start;
      at = inner + 1;
      finish();
      continue;
    }
    const piece = pieceAt(script, at);
    at = piece.to;
    if (piece.kind === "space" || piece.kind === "comment") continue;
    if (piece.kind === "semicolon") {
      if (depth <= 0 || !ours) {
        finish();
        continue;
      }
      if (inner < 0) inner = piece.from;
    }
    if (piece.kind === "open") depth++;
    if (piece.kind === "close") depth--;
    if (start < 0) {
      start = piece.from;
      ours = isOurs(script, start);
    }
    end = piece.to < script.length ? piece.to : script.trimEnd().length;
  }
  finish();
  return found;
}

/** The statement that a cursor stands in, or has just left; undefined where there is none. */
export function statementAt(script: string, cursor: number): Statement | undefined {
  const all = split(script);
  return all.find((one) => cursor >= one.from && cursor <= one.to + 1) ?? all.findLast((one) => one.from <= cursor) ?? all[0];
}

/** Characters as the server counts them (code points) and as a browser does (UTF-16 units). */
export const toUnits = (text: string, points: number): number => [...text].slice(0, points).join("").length;
export const toPoints = (text: string, units: number): number => [...text.slice(0, units)].length;
