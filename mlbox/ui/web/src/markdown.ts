/** Markdown into blocks and spans. What it does not know stays as it is written. */

export type Block =
  | { kind: "heading"; level: number; text: string }
  | { kind: "code"; text: string }
  | { kind: "list"; ordered: boolean; items: string[] }
  | { kind: "table"; head: string[]; rows: string[][] }
  | { kind: "quote" | "text"; text: string }
  | { kind: "rule" };

export type Span = { kind: "text" | "code" | "strong" | "emphasis"; text: string } | { kind: "link"; text: string; address: string };

const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const ITEM = /^\s*(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const TABLE = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

const cellsOf = (line: string): string[] =>
  line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

export function blocksOf(text: string): Block[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const blocks: Block[] = [];
  let at = 0;
  const until = (ends: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && !ends(lines[at] ?? "")) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const heading = HEADING.exec(line);
    const fence = FENCE.exec(line)?.[1];
    if (line.trim() === "") at += 1;
    else if (heading) {
      blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, text: heading[2] ?? "" });
      at += 1;
    } else if (fence) {
      at += 1;
      blocks.push({ kind: "code", text: until((next) => next.trimStart().startsWith(fence)).join("\n") });
      at += 1;
    } else if (RULE.test(line)) {
      blocks.push({ kind: "rule" });
      at += 1;
    } else if (ITEM.test(line)) {
      blocks.push(listOf(until((next) => next.trim() === "")));
    } else if (line.includes("|") && TABLE.test(lines[at + 1] ?? "")) {
      const [head = "", , ...rows] = until((next) => next.trim() === "");
      blocks.push({ kind: "table", head: cellsOf(head), rows: rows.map(cellsOf) });
    } else if (line.startsWith(">")) {
      const quoted = until((next) => !next.startsWith(">"));
      blocks.push({ kind: "quote", text: quoted.map((next) => next.replace(/^>\s?/, "")).join(" ") });
    } else {
      const starts = (next: string): boolean => next.trim() === "" || HEADING.test(next) || FENCE.test(next) || ITEM.test(next);
      const first = lines[at++] ?? "";
      blocks.push({ kind: "text", text: [first, ...until(starts)].join(" ") });
    }
  }
  return blocks;
}

function listOf(lines: readonly string[]): Block {
  const items: string[] = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push(item[3] ?? "");
    else items.push(`${items.pop() ?? ""} ${line.trim()}`);
  }
  return { kind: "list", ordered: ITEM.exec(lines[0] ?? "")?.[2] !== undefined, items };
}

const SPAN = /(`+)(.+?)\1|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*?)\*|(?<!\w)_([^_\s][^_]*?)_(?!\w)/g;

export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const found of text.matchAll(SPAN)) {
    if (found.index > from) spans.push({ kind: "text", text: text.slice(from, found.index) });
    const [all, , code, name, address, ...marked] = found;
    const [strong, underlined, emphasis, slanted] = marked;
    if (code !== undefined) spans.push({ kind: "code", text: code });
    else if (name !== undefined && address !== undefined) spans.push({ kind: "link", text: name, address });
    else if (strong !== undefined || underlined !== undefined) spans.push({ kind: "strong", text: strong ?? underlined ?? "" });
    else spans.push({ kind: "emphasis", text: emphasis ?? slanted ?? "" });
    from = found.index + all.length;
  }
  if (from < text.length) spans.push({ kind: "text", text: text.slice(from) });
  return spans;
}
