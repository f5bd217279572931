import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { addressOf } from "./router";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/tables.css";
import "./styles/charts.css";
import "./styles/pages.css";
import "./styles/sql.css";

// MLflow's clients print addresses whose run stands behind the "#".
const fromMlflow = /\/runs\/([0-9a-f]{32})$/.exec(location.hash);
if (fromMlflow?.[1]) history.replaceState(null, "", addressOf({ page: "run", id: fromMlflow[1] }));

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
