// The page behind a connection link: what to do at the plant, and how far it has come. HTML without script.
import type { ConnectProgress, ConnectStep, EntityProgress } from "#relay/core/links/connect-steps.ts";
import type { AgentFragment } from "#relay/core/links/systems.ts";
import { html, type Html } from "./reference/html.ts";

export const CONNECT_STYLE_PATH = "/connect/style.css";
/** Its own stylesheet and nothing else. */
export const CONNECT_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** While somebody copies commands, and once things move by themselves. Seconds. */
const SLOW_REFRESH_S = 20;
const REFRESH_S = 5;

export interface ConnectPage {
  readonly workspace: string;
  readonly connection: string;
  readonly customer: string | undefined;
  readonly expiresAt: string;
  readonly relayUrl: string;
  /** Undefined once an agent has enrolled with it. */
  readonly code: string | undefined;
  readonly fragment: AgentFragment;
  readonly progress: ConnectProgress;
}

const WORDS: Readonly<Record<ConnectStep["state"], string>> = {
  waiting: "not yet",
  active: "under way",
  done: "done",
  failed: "needs attention",
};

export function connectPage(page: ConnectPage): string {
  const { workspace, connection, customer, progress } = page;
  const refresh = page.code === undefined ? REFRESH_S : SLOW_REFRESH_S;
  const body = html`<h1>Connect ${connection}</h1>
    <p>
      ${workspace} would like to connect to
      ${page.fragment.title}${customer === undefined ? "" : ` of ${customer}`}. An agent in your own network
      reads it; it opens one outbound connection and lets nothing in. What it may do is decided by its own
      file, on your machine.
    </p>
    ${progress.isDone ? html`<p class="good" role="status"><strong>Connected.</strong> You may close this page.</p>` : undefined}
    <h2 id="progress">How far it is</h2>
    <ol class="steps" aria-labelledby="progress">
      ${progress.steps.map(step)}
    </ol>
    ${progress.entities.length === 0 ? undefined : entities(progress.entities)}
    ${page.code === undefined ? undefined : instructions(page, page.code)}
    <p class="quiet">
      This link is good until ${page.expiresAt}. Whoever has it can enrol one agent: do not pass it on.
      ${progress.isDone ? "" : `The page looks again every ${refresh} seconds.`}
    </p>`;
  return document(`Connect ${connection}`, body, progress.isDone ? undefined : refresh);
}

export function deadLinkPage(): string {
  return document(
    "Link not usable",
    html`<h1>This link cannot be used</h1>
      <p>It is unknown, has expired or was revoked. Ask whoever sent it for a new one.</p>`,
    undefined,
  );
}

function step({ title, state, detail, advice }: ConnectStep): Html {
  return html`<li class="${state}">
    <strong>${title}</strong>
    <span class="state">${WORDS[state]}</span> ${detail === undefined ? undefined : html`<p>${detail}</p>`}
    ${advice === undefined ? undefined : html`<p class="advice">${advice}</p>`}
  </li>`;
}

function entities(all: readonly EntityProgress[]): Html {
  return html`<table>
    <caption>
      What is read
    </caption>
    <thead>
      <tr>
        <th scope="col">Entity</th>
        <th scope="col">State</th>
        <th scope="col">Rows</th>
      </tr>
    </thead>
    <tbody>
      ${all.map(
        ({ entity, state, read, total, waits, error }) =>
          html`<tr>
            <th scope="row">${entity}</th>
            <td>${error ?? waits ?? state}</td>
            <td>${rows(read, total)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function rows(read: number | undefined, total: number | undefined): string {
  if (read === undefined) return "";
  return total === undefined ? String(read) : `${read} of ${total}`;
}

function instructions({ relayUrl, fragment }: ConnectPage, code: string): Html {
  const enrol = `enroll --relay ${relayUrl} --code ${code}`;
  return html`<h2>What to do at the plant</h2>
    <ol class="todo">
      <li>
        <p>
          Install the Millrace agent on a machine that reaches the source and, outbound by port 443, this
          relay.
        </p>
      </li>
      <li>
        <p>Write its settings. ${fragment.hint}</p>
        <p class="quiet">
          Linux: /etc/millrace-agent/agent.yaml. Windows: %ProgramData%\\Millrace\\agent\\agent.yaml.
        </p>
        <pre tabindex="0" aria-label="Settings for agent.yaml"><code>${fragment.text}</code></pre>
        <p>Then check them: <code>millrace-agent check-config</code>, <code>millrace-agent preview</code>.</p>
      </li>
      <li>
        <p>Enrol it, with this command. It works once.</p>
        <h3>Linux</h3>
        <pre tabindex="0" aria-label="Command for Linux"><code>sudo millrace-agent ${enrol}</code></pre>
        <h3>Windows (PowerShell, as administrator)</h3>
        <pre tabindex="0" aria-label="Command for Windows"><code>millrace-agent.exe ${enrol}</code></pre>
      </li>
      <li>
        <p>
          Start it: <code>millrace-agent run</code>, or by your service manager. This page shows what follows.
        </p>
      </li>
    </ol>`;
}

function document(title: string, body: Html, refreshS: number | undefined): string {
  const refresh =
    refreshS === undefined ? undefined : html`<meta http-equiv="refresh" content="${refreshS}" />`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="referrer" content="no-referrer" />
        ${refresh}
        <title>${title} – Millrace</title>
        <link rel="stylesheet" href="${CONNECT_STYLE_PATH}" />
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html> `.text;
}

export const CONNECT_STYLE = `
:root { color-scheme: light dark; --ink: #1d2530; --quiet: #556272; --paper: #fff; --panel: #f4f6f8; --rule: #d9dfe5;
  --good: #0a6b48; --bad: #b3261e; --busy: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --quiet: #a3b0bf; --paper: #12171d; --panel: #1a212a; --rule: #323d4a;
  --good: #5fd3a4; --bad: #ff8a80; --busy: #7cb7ff; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin-top: 2.25rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
code, pre { font: .875em/1.5 ui-monospace, Consolas, monospace; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; }
pre:focus-visible { outline: 3px solid var(--busy); outline-offset: 2px; }
li { margin: .6rem 0; }
li p { margin: .25rem 0; }
.steps li { border-left: 4px solid var(--rule); padding: .1rem 0 .1rem .8rem; }
.steps .done { border-color: var(--good); }
.steps .failed { border-color: var(--bad); }
.steps .active { border-color: var(--busy); }
.state { color: var(--quiet); }
.done .state, .good { color: var(--good); }
.failed .state { color: var(--bad); }
.quiet { color: var(--quiet); font-size: .92rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--rule); font-weight: inherit; }
thead th { font-weight: 600; }
`;
