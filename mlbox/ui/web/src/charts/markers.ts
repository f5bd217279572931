/** Events marked above a chart, and where their names fit. */

import { plural } from "../format";

export interface Marker {
  x: number;
  label: string;
}

export interface Group {
  /** Pixels, ascending. */
  places: number[];
  labels: string[];
}

export interface Named {
  places: number[];
  /** Null where there is no room. */
  name: { text: string; x: number; anchor: "start" | "end" } | null;
}

/** Markers nearer than this share a name, pixels. */
const NEAR = 24;
const LETTER = 6.8;
const GAP = 9;

/** Markers that stand too close for a name each, together. */
export function gathered(markers: readonly Marker[], x: (value: number) => number): Group[] {
  const groups: Group[] = [];
  for (const marker of [...markers].sort((a, b) => a.x - b.x)) {
    const place = x(marker.x);
    const group = groups.at(-1);
    if (group && place - (group.places.at(-1) ?? 0) < NEAR) {
      group.places.push(place);
      if (!group.labels.includes(marker.label)) group.labels.push(marker.label);
    } else groups.push({ places: [place], labels: [marker.label] });
  }
  return groups;
}

/** Names to the right of their markers, else to the left, else shorter, else none; never over each other. */
export function named(groups: readonly Group[], width: number): Named[] {
  let taken = 0;
  return groups.map(({ places, labels }, i) => {
    const first = places[0] ?? 0;
    const last = places.at(-1) ?? first;
    const end = groups[i + 1]?.places[0] ?? width;
    let name: Named["name"] = null;
    for (const text of [labels.join(", "), labels.length > 1 ? plural(labels.length, "move") : ""]) {
      const length = text.length * LETTER;
      if (text === "" || name) continue;
      if (last + GAP + length <= end) name = { text, x: last + GAP, anchor: "start" };
      else if (first - GAP - length >= taken) name = { text, x: first - GAP, anchor: "end" };
      if (name) taken = last + GAP + (name.anchor === "start" ? length : 0);
    }
    taken = Math.max(taken, last + GAP);
    return { places, name };
  });
}
