import type { ReactNode } from "react";
import { duration, instant, relative } from "../format";
import { Nothing } from "./nothing";
import { useNow } from "../live/clock";

/** How long ago; the exact time on hover. */
export function Ago({ time }: { time: string | null }): ReactNode {
  const now = useNow();
  if (time === null) return <Nothing />;
  return (
    <time dateTime={time} title={instant(time)}>
      {relative(time, now)}
    </time>
  );
}

/** A duration that goes on while there is no end. */
export function Lasting({ ms, since, going }: { ms: number | null; since: string | null; going: boolean }): ReactNode {
  const now = useNow();
  if (going && since !== null) return <span>{duration(Math.max(0, now - new Date(since).getTime()))}</span>;
  return ms === null ? <Nothing /> : <span>{duration(ms)}</span>;
}
