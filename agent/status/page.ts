// The status page: one HTML document without scripts, made anew for each request.
import type { AgentEvent } from "#agent/core/agent-identity.ts";
import type { ConnectionStatus } from "#agent/core/agent-status.ts";
import { formatSize } from "#common/runtime/units.ts";
import { html, raw, styleElement, type Html } from "./html.ts";
import { PAGE_STYLE } from "./page-style.ts";
import {
  concerns,
  connectionState,
  lastReadAtMs,
  type CommandFacts,
  type StatusFacts,
} from "./status-facts.ts";

const REFRESH_S = 10;
const MAX_EVENTS = 20;

const TONES: Readonly<Record<string, "good" | "warn" | "bad">> = {
  online: "good",
  running: "good",
  succeeded: "good",
  polling: "good",
  synchronizing: "warn",
  starting: "warn",
  connecting: "warn",
  paused: "warn",
  held: "warn",
  halted: "warn",
  offline: "bad",
  degraded: "bad",
  failed: "bad",
  waiting: "bad",
  "not bound": "bad",
  misconfigured: "bad",
  reauthorization_required: "bad",
  unknown_outcome: "bad",
};

/** `isStill`: for whoever reads slowly, or has it read aloud, it does not change by itself. */
export function statusPage(facts: StatusFacts, isStill: boolean): string {
  const refresh = isStill
    ? html`<a href="/">show it anew every ${REFRESH_S} seconds</a>`
    : html`shown anew every ${REFRESH_S} seconds, <a href="/?still">keep it still</a>`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${isStill ? html`` : html`<meta http-equiv="refresh" content="${REFRESH_S}" />`}
        <title>${facts.name}: Millrace agent</title>
        ${styleElement(PAGE_STYLE)}
      </head>
      <body>
        <main>
          <header>
            <h1>${facts.name}</h1>
            <p class="soft">
              Millrace agent ${facts.version} of workspace ${facts.workspace}, as of ${time(facts.atMs)};
              ${refresh}.
            </p>
          </header>
          ${banner(facts)} ${overview(facts)} ${connections(facts)} ${entities(facts)} ${commands(facts)}
          ${trail(facts)} ${events(facts.events, facts.atMs)}
          <p class="soft">
            For programs: <a href="/status.json">status.json</a>, <a href="/metrics">metrics</a>.
          </p>
        </main>
      </body>
    </html> `;
  return page.text;
}

function banner(facts: StatusFacts): Html {
  const found = concerns(facts);
  if (found.length === 0)
    return html`<section class="card good">
      <p><strong>All is well.</strong></p>
    </section>`;
  const title = found.length === 1 ? "One thing needs attention." : `${found.length} things need attention.`;
  return html`<section class="card bad">
    <p><strong>${title}</strong></p>
    <ul>
      ${found.map((text) => html`<li>${text}</li>`)}
    </ul>
  </section>`;
}

function overview({ relay, space, agentId, pid, startedAtMs, atMs, halted, held }: StatusFacts): Html {
  const since = relay.state === "not_started" ? html`` : html`, since ${moment(relay.sinceMs, atMs)}`;
  return html`<section aria-labelledby="agent">
    <h2 id="agent">Agent</h2>
    <div class="card">
      <dl>
        <dt>Relay</dt>
        <dd>
          ${state(relay.state)}${since}<br /><span class="soft">${relay.url}</span
          >${relay.detail === "" ? "" : html`<br />last error: ${relay.detail}`}
        </dd>
        <dt>Space</dt>
        <dd>
          ${formatSize(space.usedBytes)} of ${formatSize(space.totalBytes)} used;
          ${formatSize(space.freeDiskBytes)} free on the disk
        </dd>
        <dt>Halted</dt>
        <dd>${halted.length === 0 ? "nothing" : halted.join(", ")}</dd>
        <dt>Waiting for approval</dt>
        <dd>${held === 0 ? "nothing" : `${held}: millrace-agent commands`}</dd>
        <dt>Running</dt>
        <dd>since ${moment(startedAtMs, atMs)}, process ${pid}, agent ${agentId}</dd>
      </dl>
    </div>
  </section>`;
}

function connections({ connections: all, atMs }: StatusFacts): Html {
  if (all.length === 0) return html``;
  const heads = [
    "Connection",
    "Status",
    "Source read",
    "Stored",
    "Oldest unsent",
    "Backlog",
    "Rows/s",
    "Memory",
    "Restarts",
  ];
  return section(
    "connections",
    "Connections",
    html`<thead>
        <tr>
          ${heads.map((head, index) => html`<th scope="col" ${raw(index > 4 ? ' class="number"' : "")}>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${all.map((connection) => connectionRow(connection, atMs))}
      </tbody>`,
  );
}

function connectionRow(connection: ConnectionStatus, atMs: number): Html {
  const { name, connector, room, report, oldestUnsentAtMs, storedAtMs } = connection;
  const said = [report?.reason, report?.advice].filter((text) => text !== undefined).join(". ");
  return html`<tr>
    <th scope="row">${name}<br /><span class="soft">${connector}</span></th>
    <td class="text">${state(connectionState(connection))}${said === "" ? "" : html`<br />${said}`}</td>
    <td>${brief(lastReadAtMs(connection), atMs)}</td>
    <td>${brief(storedAtMs, atMs)}</td>
    <td>${oldestUnsentAtMs === undefined ? "nothing waits" : brief(oldestUnsentAtMs, atMs)}</td>
    <td class="number">${report?.backlog_bytes === undefined ? "–" : formatSize(report.backlog_bytes)}</td>
    <td class="number">${report?.load?.rows_per_s ?? "–"}</td>
    <td class="number">${room.rssBytes === undefined ? "–" : formatSize(room.rssBytes)}</td>
    <td class="number">${room.restarts}</td>
  </tr>`;
}

function entities({ connections: all, atMs }: StatusFacts): Html {
  const rows = all.flatMap(({ name, report }) =>
    (report?.entities ?? []).map(
      (each) =>
        html`<tr>
          <th scope="row">${each.entity}</th>
          <td>${name}</td>
          <td>${state(each.state)}</td>
          <td>${each.strategy ?? "–"}</td>
          <td class="number">${each.total ?? "–"}</td>
          <td>${moment(each.read_at_ms, atMs)}</td>
          <td class="text">${[each.error, each.waits].filter((text) => text !== undefined).join("; ")}</td>
        </tr>`,
    ),
  );
  if (rows.length === 0) return html``;
  return section(
    "entities",
    "Freshness of each entity",
    html`<thead>
        <tr>
          <th scope="col">Entity</th>
          <th scope="col">Connection</th>
          <th scope="col">State</th>
          <th scope="col">Followed by</th>
          <th scope="col" class="number">Known</th>
          <th scope="col">Last read</th>
          <th scope="col">Trouble</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>`,
  );
}

function commands({ commands: all, atMs }: StatusFacts): Html {
  const title = "Writes that the cloud asked for";
  if (all.length === 0)
    return html`<section>
      <h2>${title}</h2>
      <div class="card"><p>Nothing so far.</p></div>
    </section>`;
  return section(
    "commands",
    title,
    html`<thead>
        <tr>
          <th scope="col">Asked</th>
          <th scope="col">Connection</th>
          <th scope="col">What</th>
          <th scope="col">By</th>
          <th scope="col">State</th>
          <th scope="col">Approved by</th>
        </tr>
      </thead>
      <tbody>
        ${all.map((command) => commandRow(command, atMs))}
      </tbody>`,
  );
}

function commandRow(
  { connection, what, actor, receivedAtMs, state: at, outcome, code, approvedBy }: CommandFacts,
  atMs: number,
): Html {
  return html`<tr>
    <td>${moment(receivedAtMs, atMs)}</td>
    <td>${connection}</td>
    <td>${what}</td>
    <td>${actor ?? "not said"}</td>
    <td>${state(outcome ?? at)}${code === undefined ? "" : ` ${code}`}</td>
    <td>${approvedBy ?? "–"}</td>
  </tr>`;
}

/** Everything that was asked, refused ones too, as the audit trail has it. */
function trail({ trail: all, atMs }: StatusFacts): Html {
  if (all.length === 0) return html``;
  const rows = all.map(
    (each) =>
      html`<tr>
        <td>${brief(Date.parse(each.at), atMs)}</td>
        <td>${each.connection}</td>
        <td>${each.event}</td>
        <td>${each.what}</td>
        <td>${each.by}</td>
        <td>${each.result.replaceAll("_", " ")}</td>
        <td class="soft">${each.command}</td>
      </tr>`,
  );
  return section(
    "trail",
    "What was asked, decided and done",
    html`<thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Connection</th>
          <th scope="col">Event</th>
          <th scope="col">What</th>
          <th scope="col">By</th>
          <th scope="col">Decision or outcome</th>
          <th scope="col">Command</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>`,
  );
}

function events(all: readonly AgentEvent[], atMs: number): Html {
  if (all.length === 0) return html``;
  return section(
    "events",
    "Latest events",
    html`<thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Level</th>
          <th scope="col">Connection</th>
          <th scope="col">Event</th>
        </tr>
      </thead>
      <tbody>
        ${all.slice(0, MAX_EVENTS).map(
          (event) =>
            html`<tr>
              <td>${moment(event.atMs, atMs)}</td>
              <td>${event.level}</td>
              <td>${event.connection}</td>
              <td class="text">${event.message}</td>
            </tr>`,
        )}
      </tbody>`,
  );
}

/** A table that scrolls sideways where it must, by keyboard too. */
function section(id: string, title: string, table: Html): Html {
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title}</h2>
    <div class="wide" role="group" tabindex="0" aria-label="${title}">
      <table>
        ${table}
      </table>
    </div>
  </section>`;
}

function state(name: string): Html {
  return html`<span class="state ${TONES[name] ?? "plain"}">${name.replaceAll("_", " ")}</span>`;
}

function time(atMs: number): Html {
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace("T", " ")} UTC</time>`;
}

/** When, and how long ago that is. */
function moment(atMs: number | undefined, nowMs: number): Html {
  if (atMs === undefined) return html`not yet`;
  return html`${ago(nowMs - atMs)} <span class="soft">(${time(atMs)})</span>`;
}

/** How long ago; when, for who points at it. */
function brief(atMs: number | undefined, nowMs: number): Html {
  if (atMs === undefined) return html`not yet`;
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${ago(nowMs - atMs)}</time>`;
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129_600
    ? `${Math.round(seconds / 3_600)} h ago`
    : `${Math.round(seconds / 86_400)} days ago`;
}
