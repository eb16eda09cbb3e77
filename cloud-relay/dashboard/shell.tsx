// The frame around every screen: navigation, who is signed in, whether the stream is live.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { liveState } from "./api/live.ts";
import { signOut } from "./api/session.ts";
import { can, session } from "./api/session-state.ts";
import icon from "./icon.svg";
import { Icon } from "./parts/icon.tsx";
import type { IconName } from "./parts/icon-paths.ts";
import { to } from "./paths.ts";
import { SCREENS, type ScreenEntry } from "./screens.ts";
import { useGoKeys } from "./shortcuts.ts";
import { nextTheme, theme, type Theme } from "./theme.ts";

const THEME_LOOKS: Readonly<Record<Theme, readonly [icon: IconName, text: string]>> = {
  system: ["screen", "Theme: as the system"],
  light: ["sun", "Theme: light"],
  dark: ["moon", "Theme: dark"],
};
const LIVE_WORDS = { connecting: "Connecting", live: "Live", lost: "Connection lost, trying again" } as const;

export function Shell({ children }: { readonly children: ComponentChildren }) {
  const { path, route } = useLocation();
  const [isOpen, setOpen] = useState(false);
  const keys = useMemo(
    () =>
      new Map(
        SCREENS.flatMap((entry) =>
          entry.nav === undefined ? [] : [[entry.nav.key, to(entry.path)] as const],
        ),
      ),
    [],
  );
  useGoKeys(keys, route);
  useEffect(() => setOpen(false), [path]);
  return (
    <>
      <a class="skip-link" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <div class="shell">
        <header class="side" data-open={isOpen ? "" : undefined}>
          <div class="side-top">
            <a class="brand" href={to("/")}>
              <img src={icon} alt="" />
              <span class="truncate">
                Millrace <small class="truncate">{session.value?.workspace.name}</small>
              </span>
            </a>
            <button
              type="button"
              class="button quiet menu-button"
              aria-expanded={isOpen}
              onClick={() => setOpen(!isOpen)}
            >
              <Icon name={isOpen ? "cross" : "menu"} /> Menu
            </button>
          </div>
          <nav aria-label="Screens">
            {groups().map(([group, entries]) => (
              <div class="nav-group" key={group}>
                {group !== "" && <h2>{group}</h2>}
                {entries.map((entry) => (
                  <NavLink key={entry.path} entry={entry} path={path} />
                ))}
              </div>
            ))}
          </nav>
          <Foot />
        </header>
        <main id="main" class="main" tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

function NavLink({ entry, path }: { readonly entry: ScreenEntry; readonly path: string }) {
  if (entry.nav === undefined) return null;
  const href = to(entry.path);
  const isHere = path === href || (entry.path !== "/" && path.startsWith(`${href}/`));
  return (
    <a class="nav-link" href={href} title={`g ${entry.nav.key}`} aria-current={isHere ? "page" : undefined}>
      <Icon name={entry.nav.icon} />
      {entry.title}
    </a>
  );
}

function Foot() {
  const user = session.value?.user;
  const [themeIcon, themeText] = THEME_LOOKS[theme.value];
  return (
    <div class="side-foot">
      <div class="live" data-state={liveState.value} role="status">
        {LIVE_WORDS[liveState.value]}
      </div>
      <div class="row between">
        <div class="who">
          <div class="truncate">{user?.name}</div>
          <div class="truncate muted small">{user?.role}</div>
        </div>
        <div class="row">
          <button
            type="button"
            class="button quiet square"
            title={themeText}
            aria-label={themeText}
            onClick={nextTheme}
          >
            <Icon name={themeIcon} />
          </button>
          <button
            type="button"
            class="button quiet square"
            title="Sign out"
            aria-label="Sign out"
            onClick={() => void signOut().catch(() => undefined)}
          >
            <Icon name="leave" />
          </button>
        </div>
      </div>
    </div>
  );
}

function groups(): readonly (readonly [string, readonly ScreenEntry[]])[] {
  const visible = SCREENS.filter(({ nav, role }) => nav !== undefined && (role === undefined || can(role)));
  return [...Map.groupBy(visible, ({ nav }) => nav?.group ?? "")];
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
}
