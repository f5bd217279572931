import type { ReactNode } from "react";

/** A dash where a value is missing; cards leave such a line out. */
export const Nothing = (): ReactNode => <span className="nothing">–</span>;
