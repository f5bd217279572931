import type { ReactNode } from "react";
import { asObject } from "../api";
import { ShareBars } from "../charts/share-bars";
import { Panel } from "../components/panel";
import { plural } from "../format";
import { useStatement } from "../live/statement";
import type { MetadataRow } from "../rows";
import { sweepImportance } from "../statements/artifacts";

const MOST = 12;

/** Which parameters of a sweep mattered, once it has ended. */
export function ImportancePanel({ sweep, going }: { sweep: string; going: boolean }): ReactNode {
  const answer = useStatement<MetadataRow>(sweepImportance(sweep), { events: ["run."], on: String(going) });
  const known = asObject(answer.rows?.[0]?.metadata ?? null);
  const shares = Object.entries(asObject(known["importance"]))
    .map(([name, share]) => ({ name, share: Number(share) }))
    .sort((a, b) => b.share - a.share);
  if (shares.length === 0) return null;
  const trials = typeof known["trials"] === "number" ? `, ${plural(known["trials"], "trial")}` : "";
  return (
    <Panel title="Parameter importance" answers={[answer]} note={typeof known["metric"] === "string" && `for ${known["metric"]}${trials}`}>
      <ShareBars label="Shares of the parameters, the greatest first" shares={shares.slice(0, MOST)} />
    </Panel>
  );
}
