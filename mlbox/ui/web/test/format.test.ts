import { describe, expect, test } from "vitest";
import { bytes, duration, instant, milliseconds, number, plural, relative, short, shortInstant } from "../src/format";

test.each([
  [null, "–"],
  [0, "0"],
  [1234567, "1,234,567"],
  [0.7123456, "0.7123"],
  [1234.56, "1,234.6"],
  [0.0000123, "1.23e-5"],
  [3e15, "3.00e15"],
  [-0.5, "-0.5"],
])("number %s is written %s", (value, text) => {
  expect(number(value)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [4200, "4.2 s"],
  [68_000, "1 min 8 s"],
  [3_661_000, "1 h 1 min"],
  [90_000_000, "1 d 1 h"],
  [-5, "–"],
])("duration %d is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [1.5, "1.5 ms"],
  [6, "6 ms"],
  [12.34, "12.3 ms"],
  [250.4, "250 ms"],
  [1500, "1.5 s"],
])("latency %d is %s", (ms, text) => {
  expect(milliseconds(ms)).toBe(text);
});

test.each([
  [999, "999 B"],
  [1500, "1.5 kB"],
  [184_320, "184 kB"],
  [999_900, "1.0 MB"],
  [5e9, "5.0 GB"],
])("%d bytes are %s", (size, text) => {
  expect(bytes(size)).toBe(text);
});

describe("times", () => {
  const now = Date.UTC(2026, 10, 23, 12, 0, 0);

  test("are told in UTC", () => {
    expect(instant("2013-07-01T06:00:00+02:00")).toBe("2013-07-01 04:00:00 UTC");
    expect(shortInstant("2013-07-01T00:00:00Z")).toBe("2013-07-01");
    expect(shortInstant("2013-07-01T06:30:00.123456Z")).toBe("2013-07-01 06:30");
  });

  test.each([
    [2_000, "just now"],
    [42_000, "42 s ago"],
    [3 * 3_600_000, "3 h ago"],
    [-300_000, "in 5 min"],
    [40 * 86_400_000, "2026-10-14"],
  ])("%d ms before now is %s", (age, text) => {
    expect(relative(now - age, now)).toBe(text);
  });

  test("what is no time is shown as it came", () => {
    expect(instant("soon")).toBe("soon");
  });
});

test("values of parameters in one line", () => {
  expect(short("0.10000000000000001")).toBe("0.1");
  expect(short("v1.2.3")).toBe("v1.2.3");
  expect(short([1, "a"])).toBe('[1,"a"]');
  expect(short(null)).toBe("null");
  expect(plural(1, "trial")).toBe("1 trial");
  expect(plural(2000, "trial")).toBe("2,000 trials");
});
