import { describe, expect, test } from "vitest";
import { asObject } from "../src/api";
import { EventParser } from "../src/live/sse";
import { addressOf, parseRoute } from "../src/router";

describe("server-sent events", () => {
  test("are found across pieces, whatever their line ends", () => {
    const parser = new EventParser();
    expect(parser.push(": welcome\r\n\r\nevent: run.fin")).toEqual([]);
    expect(parser.push('ished\r\ndata: {"a":')).toEqual([]);
    expect(parser.push("1}\r\n\r\n")).toEqual([{ event: "run.finished", data: '{"a":1}' }]);
    expect(parser.push("data: x\ndata: y\n\n")).toEqual([{ event: "message", data: "x\ny" }]);
  });

  test("a carriage return at the end of a piece may belong to the next line feed", () => {
    const parser = new EventParser();
    expect(parser.push("data: x\r")).toEqual([]);
    expect(parser.push("\n\r\n")).toEqual([{ event: "message", data: "x" }]);
  });

  test("a comment is no event", () => {
    expect(new EventParser().push(": still here\n\n")).toEqual([]);
  });
});

describe("addresses", () => {
  test.each([
    [{ page: "runs" } as const],
    [{ page: "run", id: "0193c4ca4238" } as const],
    [{ page: "endpoints" } as const],
    [{ page: "endpoint", project: "flights", name: "de lay/é" } as const],
  ])("%o comes back from its address", (route) => {
    const { pathname } = new URL(addressOf(route, "flights"), "http://localhost");
    expect(parseRoute(pathname)).toEqual(route);
  });

  test("the project goes along", () => {
    expect(addressOf({ page: "runs" }, "a b")).toBe("/ui/runs?project=a%20b");
  });

  test.each(["/ui/nothing", "/ui/runs/a/b", "/ui/endpoints/only-project", "/ui/runs/%E0%A4%A"])("%s does not throw", (path) => {
    expect(["missing", "run"]).toContain(parseRoute(path).page);
  });
});

test("a VARIANT is an object whether it comes as one, as text, as an empty list or not at all", () => {
  expect(asObject({ a: 1 })).toEqual({ a: 1 });
  expect(asObject('{"a": 1}')).toEqual({ a: 1 });
  expect(asObject("{not json")).toEqual({});
  expect(asObject([])).toEqual({});
  expect(asObject(null)).toEqual({});
});
