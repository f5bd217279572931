/** Where the page is: paths below /ui, filters in the query, so that every view has an address. */

import { useCallback, useMemo, useSyncExternalStore } from "react";

const BASE = "/ui";

export type Route =
  | { page: "runs" }
  | { page: "run"; id: string; artifact?: string }
  | { page: "endpoints" }
  | { page: "endpoint"; project: string; name: string }
  | { page: "sql"; text?: string }
  | { page: "missing"; path: string };

export function parseRoute(pathname: string): Route {
  const path = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : pathname;
  const parts = path.split("/").filter((part) => part !== "").map(decode);
  const [first, second, third] = parts;
  if (first === undefined) return { page: "runs" };
  if (first === "runs" && parts.length === 1) return { page: "runs" };
  if (first === "runs" && second && parts.length === 2) return { page: "run", id: second };
  if (first === "sql" && parts.length === 1) return { page: "sql" };
  if (first === "endpoints" && parts.length === 1) return { page: "endpoints" };
  if (first === "endpoints" && second && third && parts.length === 3) return { page: "endpoint", project: second, name: third };
  const [, project, name] = /^([^.]+)\.([^.]+)$/.exec(second ?? "") ?? []; // as SQL and the inference path call it
  if (first === "endpoints" && project && name && parts.length === 2) return { page: "endpoint", project, name };
  return { page: "missing", path };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a route; the chosen project goes along. */
export function addressOf(route: Exclude<Route, { page: "missing" }>, project = ""): string {
  const values = [
    ["project", project],
    ["q", route.page === "sql" ? (route.text ?? "") : ""],
    ["artifact", route.page === "run" ? (route.artifact ?? "") : ""],
  ].filter((pair) => pair[1] !== "");
  const query = values.length > 0 ? `?${values.map(([name, value]) => `${name}=${encodeURIComponent(value ?? "")}`).join("&")}` : "";
  switch (route.page) {
    case "runs":
      return `${BASE}/runs${query}`;
    case "run":
      return `${BASE}/runs/${encodeURIComponent(route.id)}${query}`;
    case "sql":
      return `${BASE}/sql${query}`;
    case "endpoints":
      return `${BASE}/endpoints${query}`;
    case "endpoint":
      return `${BASE}/endpoints/${encodeURIComponent(route.project)}/${encodeURIComponent(route.name)}${query}`;
  }
}

const watchers = new Set<() => void>();
const tell = (): void => {
  for (const watcher of [...watchers]) watcher();
};

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  addEventListener("popstate", watcher);
  return () => {
    watchers.delete(watcher);
    removeEventListener("popstate", watcher);
  };
}

export function navigate(address: string, replace = false): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  tell();
}

export function useRoute(): Route {
  const pathname = useSyncExternalStore(watch, () => location.pathname);
  return useMemo(() => parseRoute(pathname), [pathname]);
}

/** A value that lives in the address' query; setting it to "" takes it away. `reset` names others to take away too. */
export function useQuery(name: string): [string, (value: string, reset?: readonly string[]) => void] {
  const search = useSyncExternalStore(watch, () => location.search);
  const value = new URLSearchParams(search).get(name) ?? "";
  const set = useCallback(
    (next: string, reset: readonly string[] = []) => {
      const query = new URLSearchParams(location.search);
      for (const other of reset) query.delete(other);
      if (next) query.set(name, next);
      else query.delete(name);
      const text = query.toString();
      navigate(location.pathname + (text ? `?${text}` : ""), true);
    },
    [name],
  );
  return [value, set];
}
