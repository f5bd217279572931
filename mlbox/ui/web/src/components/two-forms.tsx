/** What is drawn as a page, or as it is written. */

import { type ReactNode, useState } from "react";
import { Choice } from "./choice";

export function TwoForms({ page, source }: { page: ReactNode; source: ReactNode }): ReactNode {
  const [form, setForm] = useState<"page" | "source">("page");
  return (
    <div className="viewer">
      <Choice
        label="Show as"
        value={form}
        options={[
          { value: "page", label: "Page" },
          { value: "source", label: "Source" },
        ]}
        onChange={setForm}
      />
      {form === "source" ? source : page}
    </div>
  );
}
