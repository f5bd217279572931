/** The shell: navigation, project, theme, connection, and the page in the middle. */

import { type ReactNode, useEffect } from "react";
import { Icon } from "./components/icon";
import { Link } from "./components/link";
import { Empty } from "./components/notice";
import { Panel } from "./components/panel";
import { Select } from "./components/choice";
import { ThemeToggle } from "./components/theme";
import { type Connection, useConnection } from "./live/stream";
import { useStatement } from "./live/statement";
import { EndpointPage } from "./pages/endpoint";
import { EndpointsPage } from "./pages/endpoints";
import { RunPage } from "./pages/run";
import { RunsPage } from "./pages/runs";
import { SqlPage } from "./pages/sql";
import { type Route, useQuery, useRoute } from "./router";
import type { ProjectRow } from "./rows";
import { listProjects } from "./statements/runs";

export function App(): ReactNode {
  const route = useRoute();
  const [project, setProject] = useQuery("project");
  const area = route.page === "sql" ? "sql" : route.page === "endpoint" || route.page === "endpoints" ? "endpoints" : "runs";

  useEffect(() => {
    document.title = `${titleOf(route)} · mlbox`;
  }, [route]);

  return (
    <div className="shell">
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <header className="side">
        <div className="side-inner">
          <Link to={{ page: "runs" }} className="brand">
            <Icon name="box" />
            mlbox
          </Link>
          <nav aria-label="Pages">
            <Link to={{ page: "runs" }} current={area === "runs" && route.page !== "missing"}>
              <Icon name="runs" />
              Runs
            </Link>
            <Link to={{ page: "endpoints" }} current={area === "endpoints"}>
              <Icon name="endpoints" />
              Endpoints
            </Link>
            <Link to={{ page: "sql" }} current={area === "sql"}>
              <Icon name="sql" />
              SQL
            </Link>
          </nav>
          <ProjectChoice project={project} onChange={(next) => setProject(next, ["page", "fold"])} />
          <div className="side-foot">
            <ConnectionSign />
            <ThemeToggle />
          </div>
        </div>
      </header>
      <main id="page" tabIndex={-1}>
        <Page route={route} project={project} setProject={setProject} />
      </main>
    </div>
  );
}

interface PageProps {
  route: Route;
  project: string;
  setProject: (name: string) => void;
}

function Page({ route, project, setProject }: PageProps): ReactNode {
  switch (route.page) {
    case "runs":
      return <RunsPage project={project} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "endpoints":
      return <EndpointsPage project={project} />;
    case "endpoint":
      return <EndpointPage key={`${route.project}.${route.name}`} endpoint={route} />;
    case "sql":
      return <SqlPage project={project} setProject={setProject} />;
    case "missing":
      return (
        <Panel title="No such page" level="h1" className="page-panel" answers={[]}>
          <Empty title={`Nothing is at ${route.path}`}>
            <p>
              Go on with <Link to={{ page: "runs" }}>the runs</Link> or <Link to={{ page: "endpoints" }}>the endpoints</Link>.
            </p>
          </Empty>
        </Panel>
      );
  }
}

function titleOf(route: Route): string {
  switch (route.page) {
    case "runs":
      return "Runs";
    case "run":
      return `Run ${route.id.slice(0, 12)}`;
    case "endpoints":
      return "Endpoints";
    case "endpoint":
      return `${route.project}.${route.name}`;
    case "sql":
      return "SQL";
    case "missing":
      return "Not found";
  }
}

function ProjectChoice({ project, onChange }: { project: string; onChange: (name: string) => void }): ReactNode {
  const { rows } = useStatement<ProjectRow>(listProjects(), { events: ["project."] });
  const names = (rows ?? []).map((row) => row.name);
  if (project && !names.includes(project)) names.push(project);
  return (
    <Select
      label="Project"
      value={project}
      options={[{ value: "", label: "All projects" }, ...names.map((name) => ({ value: name, label: name }))]}
      onChange={onChange}
    />
  );
}

const CONNECTIONS: Record<Connection, readonly [string, string]> = {
  connecting: ["Connecting", "Waiting for the event stream"],
  live: ["Live", "Changes are shown as they happen"],
  polling: ["Polling", "The event stream is away; looking every five seconds"],
  offline: ["Offline", "The server does not answer; trying again every five seconds"],
};

function ConnectionSign(): ReactNode {
  const connection = useConnection();
  const [word, meaning] = CONNECTIONS[connection];
  return (
    <span className={`connection ${connection}`} role="status" title={meaning}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        <circle cx="5" cy="5" r="3.5" />
      </svg>
      {word}
    </span>
  );
}
