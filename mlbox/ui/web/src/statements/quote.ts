/** Text into a SQL string literal. Standard strings know no escape but the doubled quote. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A name as an identifier: quoted where it would not stand alone. */
export const identifier = (name: string): string => (/^[a-z][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/** `'a', 'b'` for an IN list. */
export const literals = (texts: readonly string[]): string => texts.map(literal).join(", ");

/** `WHERE a AND b`, or nothing when there is no condition. */
export function where(conditions: readonly (string | false | null | undefined)[]): string {
  const kept = conditions.filter((condition): condition is string => Boolean(condition));
  return kept.length > 0 ? `WHERE ${kept.join("\n  AND ")}` : "";
}

/** Lines joined, empty ones left out: a statement as a person would write it. */
export const lines = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join("\n");
