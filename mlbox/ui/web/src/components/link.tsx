import type { MouseEvent, ReactNode } from "react";
import { addressOf, navigate, type Route, useQuery } from "../router";

interface LinkProps {
  to: Exclude<Route, { page: "missing" }>;
  className?: string;
  current?: boolean;
  children: ReactNode;
}

/** A link within the dashboard; the chosen project goes along, and so do new tabs. */
export function Link({ to, className, current, children }: LinkProps): ReactNode {
  const [project] = useQuery("project");
  const href = addressOf(to, project);
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
    scrollTo(0, 0);
  };
  return (
    <a href={href} className={className} aria-current={current ? "page" : undefined} onClick={follow}>
      {children}
    </a>
  );
}
