import { describe, expect, test } from "vitest";
import { aliasMoves, bucketFor, driftByFeature, traffic } from "../src/statements/endpoints";
import { identifier, literal, where } from "../src/statements/quote";
import { countRuns, getRun, listRuns, listTrials, metricHistory } from "../src/statements/runs";

const ALL = { project: "", state: "", search: "" };

describe("what is spliced into a statement", () => {
  test("a quote cannot end the literal", () => {
    expect(literal("o'hare'; DROP TABLE runs --")).toBe("'o''hare''; DROP TABLE runs --'");
  });

  test("a name stands alone where it can", () => {
    expect(identifier("flights")).toBe("flights");
    expect(identifier('Odd "name"')).toBe('"Odd ""name"""');
  });

  test("every filter is quoted", () => {
    const sql = listRuns({ project: "a'b", state: "c'd", search: "E'F" }, 0);
    expect(sql).toContain("r.project = 'a''b'");
    expect(sql).toContain("r.state = 'c''d'");
    expect(sql).toContain("contains(lower(r.name), 'e''f')");
  });

  test("ids from the address are quoted", () => {
    expect(getRun("x' OR '1'='1")).toContain("starts_with(r.id, 'x'' OR ''1''=''1')");
    expect(listTrials(["a", "b'"])).toContain("IN ('a', 'b''')");
    expect(aliasMoves({ project: "p", name: "e'" })).toContain("name = 'e'''");
  });
});

describe("the list of runs", () => {
  test("without a filter only the trials are left out", () => {
    expect(listRuns(ALL, 0)).toContain("WHERE r.parent_id IS NULL\nORDER BY");
  });

  test("pages are whole", () => {
    expect(listRuns(ALL, 3)).toMatch(/LIMIT 25 OFFSET 75$/);
  });

  test("counts per state do not depend on the chosen state", () => {
    expect(countRuns({ ...ALL, state: "error" })).toBe(countRuns(ALL));
  });
});

test("a whole id is looked up by equality, a prefix by its start", () => {
  expect(getRun("0".repeat(32))).toContain("r.id = '");
  expect(getRun("01234567")).toContain("starts_with(r.id, '01234567')");
});

test("the history of a sweep is that of its trials", () => {
  expect(metricHistory("p", true)).toContain("parent_id = 'p'");
  expect(metricHistory("p", false)).toContain("run_id = 'p'");
});

test("no condition, no WHERE", () => {
  expect(where(["", false, null])).toBe("");
});

describe("buckets of traffic", () => {
  const day = 86_400_000;
  test.each([
    [30_000, "1 second"],
    [45 * 60_000, "1 minute"],
    [31 * day, "1 day"],
    [3 * 365 * day, "28 days"],
    [50 * 365 * day, "1 year"],
  ])("%d ms is cut by %s", (span, interval) => {
    const bucket = bucketFor(span);
    expect(bucket.interval).toBe(interval);
    expect(span / bucket.ms).toBeLessThanOrEqual(80);
  });

  test("the clock chosen is the one that is cut", () => {
    const key = { project: "p", name: "e" };
    expect(traffic(key, "predicted_at", "1 day")).toContain("time_bucket(INTERVAL '1 day', predicted_at)");
    expect(traffic(key, "event_time", "1 day")).toContain("time_bucket(INTERVAL '1 day', event_time)");
  });
});

test("no segment means all rows, not every segment", () => {
  const kind = { project: "p", monitor: "m", metric: "psi" };
  expect(driftByFeature({ ...kind, segment: null })).toContain("segment IS NULL");
  expect(driftByFeature({ ...kind, segment: "origin=JFK" })).toContain("segment = 'origin=JFK'");
});
