// The application: who is signed in decides between the sign-in and the shell with its screens.
import { useEffect, useState } from "preact/hooks";
import { ErrorBoundary } from "preact-iso/lazy";
import lazy from "preact-iso/lazy";
import { LocationProvider, Route, Router } from "preact-iso/router";
import type { ComponentType } from "preact";
import { startLive } from "./api/live.ts";
import { problemOf, type ProblemView } from "./api/problem.ts";
import { loadSession } from "./api/session.ts";
import { can, session } from "./api/session-state.ts";
import { EmptyState, ProblemNotice } from "./parts/notice.tsx";
import { Page } from "./parts/page.tsx";
import { Toasts } from "./parts/toast.tsx";
import { BASE, SCREENS, type ScreenEntry, type ScreenProps } from "./screens.ts";
import { SignIn } from "./screens/sign-in.tsx";
import { Shell } from "./shell.tsx";
import { to } from "./paths.ts";

const ROUTES = SCREENS.map((entry) => ({ path: `${BASE}${entry.path}`, component: guarded(entry) }));

export function App() {
  const [problem, setProblem] = useState<ProblemView>();
  const look = (): void => {
    setProblem(undefined);
    loadSession().catch((error: unknown) => setProblem(problemOf(error)));
  };
  useEffect(() => {
    startLive();
    look();
  }, []);
  return (
    <>
      <Content problem={problem} onRetry={look} />
      <Toasts />
    </>
  );
}

function Content({
  problem,
  onRetry,
}: {
  readonly problem: ProblemView | undefined;
  readonly onRetry: () => void;
}) {
  if (problem !== undefined)
    return (
      <main class="sign-in">
        <ProblemNotice problem={problem} onRetry={onRetry} />
      </main>
    );
  if (session.value === undefined) return <main class="sign-in" aria-busy="true" />;
  if (session.value === null) return <SignIn />;
  return (
    <LocationProvider scope={BASE}>
      <Shell>
        <Screens />
      </Shell>
    </LocationProvider>
  );
}

function Screens() {
  const [problem, setProblem] = useState<ProblemView>();
  if (problem !== undefined)
    return (
      <Page title="Something went wrong">
        <ProblemNotice problem={problem} onRetry={() => location.reload()} />
      </Page>
    );
  return (
    <ErrorBoundary onError={(error) => setProblem(problemOf(error))}>
      <Router
        onRouteChange={() => document.querySelector<HTMLElement>("#main")?.focus({ preventScroll: true })}
      >
        {ROUTES.map(({ path, component }) => (
          <Route key={path} path={path} component={component} />
        ))}
        <Route default component={NotFound} />
      </Router>
    </ErrorBoundary>
  );
}

/** Loaded when it is first shown. */
function guarded({ title, role, load }: ScreenEntry): ComponentType<ScreenProps> {
  const Screen = lazy(load);
  return (props: ScreenProps) => {
    if (role === undefined || can(role)) return <Screen {...props} />;
    return (
      <Page title={title}>
        <EmptyState
          icon="key"
          title={`${title} is for the role ${role}`}
          text="Somebody with the role admin in this workspace can give it to you."
        />
      </Page>
    );
  };
}

function NotFound() {
  return (
    <Page title="No such screen">
      <EmptyState
        icon="search"
        title="There is nothing at this address"
        text="It may have been deleted, or the address is incomplete."
      >
        <a class="button" href={to("/")}>
          To the overview
        </a>
      </EmptyState>
    </Page>
  );
}
