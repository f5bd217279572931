import { describe, expect, test } from "vitest";
import { arranged, columnLabel, levelOf } from "../src/charts/heat-map";
import { pathOf } from "../src/charts/line-chart";
import { gathered, named } from "../src/charts/markers";
import { pathOver, uprightAxis } from "../src/charts/parallel";
import { domainOf, linear, nearest, ticks, timeLabel, timeTicks, wholeTicks } from "../src/charts/scale";

const DAY = 86_400_000;

describe("ticks", () => {
  test("are round and without crumbs", () => {
    expect(ticks(0.45, 0.76, 4)).toEqual([0.5, 0.6, 0.7]);
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(5, 5, 4)).toEqual([5]);
  });

  test("of counts are whole and within the axis", () => {
    expect(wholeTicks(0, 2, 4)).toEqual([0, 1, 2]);
    expect(wholeTicks(0, 39, 4)).toEqual([0, 10, 20, 30]);
  });

  test("of time fall on whole days", () => {
    const found = timeTicks(Date.UTC(2013, 6, 1, 5), Date.UTC(2013, 6, 31), 5);
    expect(found.every((tick) => tick % DAY === 0)).toBe(true);
    expect(found.length).toBeGreaterThan(2);
    expect(timeLabel(Date.UTC(2013, 6, 4), 30 * DAY)).toBe("4 Jul");
    expect(timeLabel(Date.UTC(2013, 6, 4, 6), DAY)).toBe("06:00");
  });
});

describe("scales", () => {
  test("one value alone still has a domain", () => {
    const [low, high] = domainOf([0.5, null], false);
    expect(low).toBeLessThan(0.5);
    expect(high).toBeGreaterThan(0.5);
  });

  test("counts begin at zero, and nothing at all is drawn from 0 to 1", () => {
    expect(domainOf([50, 100], true)[0]).toBe(0);
    expect(domainOf([0, 0], true)).toEqual([0, 1]);
    expect(domainOf([], false)[1]).toBeGreaterThan(1);
  });

  test("the nearest stop", () => {
    expect(nearest([0, 10, 20], 14)).toBe(1);
    expect(nearest([0, 10, 20], 16)).toBe(2);
    expect(nearest([0, 10, 20], -5)).toBe(0);
    expect(nearest([0, 10, 20], 99)).toBe(2);
  });
});

describe("markers", () => {
  test("too close for a name each share one", () => {
    const markers = [{ x: 102, label: "champion v2" }, { x: 0, label: "champion v1" }, { x: 100, label: "challenger v2" }];
    expect(gathered(markers, (x) => x * 2)).toEqual([
      { places: [0], labels: ["champion v1"] },
      { places: [200, 204], labels: ["challenger v2", "champion v2"] },
    ]);
  });

  test("are named where there is room, and never over each other", () => {
    const groups = [
      { places: [10], labels: ["champion v1"] },
      { places: [200, 204], labels: ["challenger v2", "champion v2"] },
    ];
    const names = (width: number) => named(groups, width).map(({ name }) => name && [name.text, name.anchor]);
    expect(names(600)).toEqual([["champion v1", "start"], ["challenger v2, champion v2", "start"]]);
    expect(names(300)).toEqual([["champion v1", "start"], ["2 moves", "start"]]);
    expect(names(210)).toEqual([["champion v1", "start"], ["2 moves", "end"]]);
    const crowd = [0, 30, 60].map((place) => ({ places: [place], labels: ["champion v1"] }));
    expect(named(crowd, 70).map(({ name }) => name)).toEqual([null, null, null]);
  });
});

test("a missing value breaks the line", () => {
  const x = linear([0, 3], [0, 30]);
  const y = linear([0, 1], [10, 0]);
  const points = [{ x: 0, y: 0 }, { x: 1, y: 1 }, { x: 2, y: null }, { x: 3, y: 1 }];
  expect(pathOf(points, x, y)).toBe("M0.0 10.0L10.0 0.0M30.0 0.0");
});

describe("the heat map", () => {
  const cell = (feature: string, day: string, value: number | null) => ({ feature, start: day, end: day, value, n: 1 });

  test("puts the most drifted feature first and windows in order", () => {
    const found = arranged([cell("a", "2", 0.1), cell("b", "1", 0.3), cell("a", "1", 0.2), cell("c", "1", null)]);
    expect(found.features).toEqual(["b", "a", "c"]);
    expect(found.windows.map((window) => window.start)).toEqual(["1", "2"]);
    expect(found.largest).toBe(0.3);
  });

  test("shades by the bounds where there are some, else by size", () => {
    const bounds = [0.1, 0.2] as const;
    expect([0.01, 0.07, 0.1, 0.16, 0.2].map((value) => levelOf(value, bounds, 1))).toEqual([0, 1, 3, 4, 5]);
    expect([0, 0.5, 1].map((value) => levelOf(value, null, 1))).toEqual([0, 2, 4]);
    expect(levelOf(null, bounds, 1)).toBe("none");
  });

  test("labels say what is new against the column before", () => {
    expect(columnLabel("2013-07-31T00:00:00Z", undefined)).toBe("07-31");
    expect(columnLabel("2013-08-01T00:00:00Z", "2013-07-31T00:00:00Z")).toBe("08-01");
    expect(columnLabel("2013-08-02T00:00:00Z", "2013-08-01T00:00:00Z")).toBe("02");
    expect(columnLabel("2013-08-02T06:00:00Z", "2013-08-02T00:00:00Z")).toBe("06:00");
  });
});

describe("parallel coordinates", () => {
  test("places numbers by size, and by factor where they span much", () => {
    const plain = uprightAxis("depth", [2, 4, 6], [100, 0]);
    expect([2, 4, 6].map(plain.place)).toEqual([100, 50, 0]);
    const wide = uprightAxis("rate", [0.001, 0.01, 0.1], [100, 0]);
    expect(wide.place(0.01)).toBeCloseTo(50);
    expect(wide.ends).toEqual(["0.001", "0.1"]);
  });

  test("places words in the order of their appearance, and a single value in the middle", () => {
    const words = uprightAxis("loss", ["log", "exp", "log", null], [100, 0]);
    expect([words.place("log"), words.place("exp"), words.place(null)]).toEqual([100, 0, null]);
    expect(uprightAxis("one", ["a", "a"], [100, 0]).place("a")).toBe(50);
    expect(uprightAxis("same", [3, 3], [100, 0]).place(3)).toBe(50);
  });

  test("leaves a gap where a value is missing", () => {
    expect(pathOver([{ x: 0, y: 1 }, { x: 1, y: null }, { x: 2, y: 3 }, { x: 3, y: 4 }])).toBe("M0.0 1.0M2.0 3.0L3.0 4.0");
  });
});
