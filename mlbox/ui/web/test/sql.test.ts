import { describe, expect, it } from "vitest";
import { order } from "../src/components/grid";
import { addressOf, parseRoute } from "../src/router";
import { toCsv } from "../src/sql/csv";
import { creationOf, readerOf, tableName } from "../src/sql/files";
import { discreet } from "../src/sql/kept";
import { split, statementAt, toPoints, toUnits } from "../src/sql/split";
import { TYPES, WORDS } from "../src/sql/words";
import { relationName } from "../src/statements/schema";
import scripts from "./scripts.json";

const texts = (script: string): string[] => split(script).map((one) => one.text);

describe("words of the editor", () => {
  it("are cut by single blanks, as CodeMirror reads them", () => {
    for (const word of ["asof", "asymmetric", "order", "outer"]) expect(WORDS.split(" ")).toContain(word);
    for (const word of ["bigint", "integer", "interval", "variant"]) expect(TYPES.split(" ")).toContain(word);
  });
});

describe("what the browser remembers", () => {
  it("holds no statement in which credentials may stand, and all others", () => {
    for (const words of ["SET SECRET k", "set\n secret k", "CREATE PROFILE p", "EXPLAIN create or replace /* x */ profile p"]) {
      expect(discreet(`SELECT 1; ${words} WITH (token = 'hunter2;');\nSELECT 2`)).toBe("SELECT 1; \nSELECT 2");
      expect(discreet(`${words} = 'hunter2`)).not.toContain("hunter2");
    }
    for (const text of ["SELECT 'a' AS profile", "CREATE TABLE profile AS SELECT 1;", "SHOW PROFILES; -- mine\n"]) expect(discreet(text)).toBe(text);
  });
});

describe("split", () => {
  it("cuts every script of the corpus as the server does", () => {
    for (const { script, statements } of scripts) expect(texts(script)).toEqual(statements);
  });

  it("knows escapes in strings, and dollars in names", () => {
    expect(texts("SELECT E'it\\'; s'; SELECT a$b$c; FROM t$b$; SELECT $b1$ ; $b1$")).toEqual([
      "SELECT E'it\\'; s'",
      "SELECT a$b$c",
      "FROM t$b$",
      "SELECT $b1$ ; $b1$",
    ]);
  });

  it("cuts at semicolons and nowhere else", () => {
    expect(texts("SELECT 1; SELECT 2 ;; ")).toEqual(["SELECT 1", "SELECT 2"]);
    expect(texts("SELECT ';', \"a;b\", 'it''s;' -- ;\n, 2; FROM t")).toEqual(["SELECT ';', \"a;b\", 'it''s;' -- ;\n, 2", "FROM t"]);
    expect(texts("/* ; /* ; */ ; */ SELECT 1; -- end;")).toEqual(["SELECT 1"]);
    expect(texts("SELECT $$ ; $$, $a$ ; $$ ; $a$, $1; SELECT 2")).toEqual(["SELECT $$ ; $$, $a$ ; $$ ; $a$, $1", "SELECT 2"]);
    expect(texts("")).toEqual([]);
    expect(texts("-- only a comment")).toEqual([]);
  });

  it("leaves what is in brackets together, unless a bracket is never closed", () => {
    expect(texts("CREATE WORKFLOW w AS (STEP a AS (SELECT 1; SELECT 2)); SELECT 3")).toHaveLength(2);
    expect(texts("SELECT (1; SELECT 2; SELECT 3")).toEqual(["SELECT (1", "SELECT 2", "SELECT 3"]);
  });

  it("tells where a statement stands", () => {
    const script = "  SELECT 1;\n\nSELECT 2";
    for (const one of split(script)) expect(script.slice(one.from, one.to)).toBe(one.text);
    expect(statementAt(script, 0)?.text).toBe("SELECT 1");
    expect(statementAt(script, 11)?.text).toBe("SELECT 1");
    expect(statementAt(script, script.length)?.text).toBe("SELECT 2");
    expect(statementAt("-- nothing", 3)).toBeUndefined();
  });

  it("counts characters as the server does", () => {
    expect(toUnits("a🙂b", 2)).toBe(3);
    expect(toPoints("a🙂b", 3)).toBe(2);
  });
});

describe("results", () => {
  const columns = [
    { name: "a", type: "int64" },
    { name: "b,c", type: "string" },
  ];

  it("become CSV as the server writes it", () => {
    expect(toCsv(columns, [[1, 'x "y"'], [null, "line\nbreak"], [true, { k: [1] }]])).toBe(
      'a,"b,c"\r\n1,"x ""y"""\r\n,"line\nbreak"\r\nTrue,"{""k"":[1]}"\r\n',
    );
  });

  it("are sorted by value, NULL last either way, equal ones as they were", () => {
    const rows = [[10], [9], [null], ["9007199254740993"], [9]];
    expect(order(rows, 0, true, false)).toEqual([1, 4, 0, 3, 2]);
    expect(order(rows, 0, true, true)).toEqual([3, 0, 1, 4, 2]);
    expect(order([["b"], ["B"], ["a"]], 0, false, false)).toEqual([1, 2, 0]);
  });
});

describe("files", () => {
  it("become tables", () => {
    expect(tableName("My Flights (1).csv.gz")).toBe("my_flights_1");
    expect(tableName("2024.parquet")).toBe("t_2024");
    expect(tableName("…csv")).toBe("csv");
    expect(readerOf("a.CSV")).toBe("read_csv");
    expect(readerOf("a.jsonl.gz")).toBe("read_json");
    expect(readerOf("a.pq")).toBe("read_parquet");
    expect(readerOf("a.exe")).toBeUndefined();
    expect(creationOf("Order", "read_csv", "/up/it's.csv")).toBe("CREATE TABLE \"Order\" AS FROM read_csv('/up/it''s.csv')");
  });
});

describe("addresses", () => {
  it("carry a text", () => {
    expect(parseRoute("/ui/sql")).toEqual({ page: "sql" });
    expect(parseRoute("/ui/endpoints/shop.churn")).toEqual({ page: "endpoint", project: "shop", name: "churn" });
    expect(addressOf({ page: "sql" })).toBe("/ui/sql");
    const address = addressOf({ page: "sql", text: "SELECT 'a&b'; --ü" }, "shop");
    expect(new URL(address, "http://x").searchParams.get("q")).toBe("SELECT 'a&b'; --ü");
    expect(new URL(address, "http://x").searchParams.get("project")).toBe("shop");
  });

  it("name relations as the project in use needs it", () => {
    expect(relationName("shop", "orders", "shop")).toBe("orders");
    expect(relationName("ml", "runs", "shop")).toBe("ml.runs");
    expect(relationName("shop", "Big Orders", "default")).toBe('shop."Big Orders"');
  });
});
