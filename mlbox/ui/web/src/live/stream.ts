/** What happens on the server, as it happens; a tick every five seconds while the stream is away. */

import { useSyncExternalStore } from "react";
import type { Row } from "../api";
import { EventParser, type ServerEvent } from "./sse";

export interface LiveEvent {
  /** `noun.verb`, as `run.finished`; `tick` when nothing is known and one has to look. */
  kind: string;
  project: string;
  object: string;
  data: Row;
}

export type Connection = "connecting" | "live" | "polling" | "offline";
type Listener = (event: LiveEvent) => void;

export const TICK: LiveEvent = { kind: "tick", project: "", object: "", data: {} };
const POLL_MS = 5000;

function understood(event: ServerEvent): LiveEvent | null {
  try {
    const body = JSON.parse(event.data) as Partial<LiveEvent> | null;
    if (typeof body !== "object" || body === null) return null;
    return { kind: body.kind ?? event.event, project: body.project ?? "", object: body.object ?? "", data: body.data ?? {} };
  } catch {
    return null;
  }
}

class Live {
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private state: Connection = "connecting";
  private started = false;

  listen = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    this.start();
    return () => this.listeners.delete(listener);
  };

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    this.start();
    return () => this.watchers.delete(watcher);
  };

  connection = (): Connection => this.state;

  private start(): void {
    if (this.started) return;
    this.started = true;
    setInterval(() => {
      if (this.state !== "live" && !document.hidden) this.tell(TICK);
    }, POLL_MS);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.tell(TICK);
    });
    void this.follow();
  }

  private tell(event: LiveEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  private become(state: Connection): void {
    if (state === this.state) return;
    const back = state === "live" && this.state !== "connecting";
    this.state = state;
    for (const watcher of [...this.watchers]) watcher();
    // What happened while the stream was away is unknown.
    if (back) this.tell(TICK);
  }

  private async follow(): Promise<never> {
    for (;;) {
      try {
        await this.once();
        this.become("polling");
      } catch {
        this.become("offline");
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** One connection until it ends. Throws when the server cannot be reached. */
  private async once(): Promise<void> {
    const response = await fetch("/stream", { headers: { Accept: "text/event-stream" }, cache: "no-store" });
    if (!response.ok || !response.body) return;
    this.become("live");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const event of parser.push(value)) {
          const told = understood(event);
          if (told) this.tell(told);
        }
      }
    } catch {
      // The connection broke: the next attempt tells whether the server is still there.
    }
  }
}

export const live = new Live();

export const useConnection = (): Connection => useSyncExternalStore(live.watch, live.connection);
