// The wizard's second half: the command to run at the plant, until the agent calls and its first sync goes on.
import { useState } from "preact/hooks";
import type { Schema } from "../api/client.ts";
import { allAgents, allConnections, allSyncStatus, type Whole } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { Command } from "../parts/copy-button.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { wordsOf } from "../parts/status.ts";
import { amount, relativeTime } from "../parts/text.ts";
import { nowMs } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { EnrolSteps } from "./enrol-dialog.tsx";
import { arrivedAgent, enrolCommand, type Platform } from "./enrolment.ts";

type Agent = Schema<"Agent">;
type Code = Schema<"EnrollmentCode">;

/** Enrolling is no event of the feed. */
const LOOK_EVERY_MS = 2_000;

export function EnrolWait({ code, onClose }: { readonly code: Code; readonly onClose: () => void }) {
  const { data } = useResource(`enrol ${code.id}`, allAgents, { on: STATUS_EVENTS, everyMs: LOOK_EVERY_MS });
  const agent = arrivedAgent(data?.items ?? [], code);
  return (
    <Dialog
      title="Enrol an agent"
      onClose={onClose}
      actions={
        <button type="button" class={agent === undefined ? "button" : "button primary"} onClick={onClose}>
          {agent === undefined ? "Close" : "Done"}
        </button>
      }
    >
      <EnrolSteps current={agent === undefined ? 2 : 3} />
      {agent === undefined ? <AtThePlant code={code} /> : <Here agent={agent} code={code} />}
    </Dialog>
  );
}

function AtThePlant({ code }: { readonly code: Code }) {
  const [platform, setPlatform] = useState<Platform>("linux");
  const expiresAtMs = Date.parse(code.expires_at);
  const isExpired = expiresAtMs <= Math.max(nowMs.value, Date.now());
  return (
    <>
      <fieldset class="row plain">
        <legend class="visually-hidden">The plant's machine</legend>
        {(["linux", "windows"] as const).map((each) => (
          <label class="row" key={each}>
            <input
              type="radio"
              name="platform"
              checked={platform === each}
              onChange={() => setPlatform(each)}
            />
            {each === "linux" ? "Linux" : "Windows (PowerShell)"}
          </label>
        ))}
      </fieldset>
      <ol class="stack tight numbered">
        <li>Install the Millrace agent on a machine that reaches the source system.</li>
        <li>
          Name the connection in its configuration (<code>{configPath(platform)}</code>): connector, address
          and a login that may only read.
        </li>
        <li>
          Run this there. It opens one outbound connection to this relay; nothing connects inwards.
          <Command text={enrolCommand(platform, location.origin, code.code)} />
        </li>
      </ol>
      <div class="arrival" role="status">
        <span class="pulse" aria-hidden="true" />
        <strong>Waiting for the agent to call</strong>
        <span class="muted">
          {isExpired
            ? "The code has expired: close this and make a new one."
            : `The code works once and expires ${relativeTime(expiresAtMs, nowMs.value)}. It is not shown again after this is closed.`}
        </span>
      </div>
    </>
  );
}

function Here({ agent, code }: { readonly agent: Agent; readonly code: Code }) {
  const key = `enrol sync ${code.id}`;
  const load = async (signal: AbortSignal) => ({
    connections: await allConnections(signal),
    syncs: await Promise.all(code.connection_ids.map((id) => allSyncStatus(signal, id))),
  });
  const { data } = useResource(key, load, { on: STATUS_EVENTS, everyMs: LOOK_EVERY_MS });
  const own = data?.connections.items.filter(({ id }) => code.connection_ids.includes(id)) ?? [];
  return (
    <>
      <div class="arrival" data-state="here" role="status">
        <Icon name="check" />
        <h3>{agent.name} is here</h3>
        <span class="muted">
          {[agent.version && `version ${agent.version}`, agent.platform].filter(Boolean).join(" · ")}
        </span>
        <StatusBadge status={agent.status} />
      </div>
      {own.map((connection) => (
        <div class="stack tight" key={connection.id}>
          <div class="row between">
            <a href={to("/connections/:id", { id: connection.id })}>{connection.name}</a>
            <StatusBadge status={connection.status} />
          </div>
          {connection.status_reason !== null && <p class="muted">{connection.status_reason}</p>}
          <FirstSync syncs={data?.syncs ?? []} connectionId={connection.id} />
        </div>
      ))}
    </>
  );
}

function FirstSync(props: {
  readonly syncs: readonly Whole<Schema<"SyncStatus">>[];
  readonly connectionId: string;
}) {
  const rows = props.syncs
    .flatMap(({ items }) => items)
    .filter(({ connection_id: id }) => id === props.connectionId);
  if (rows.length === 0) return <p class="muted">Nothing was read yet.</p>;
  return (
    <ul class="progress-list">
      {rows.map(({ entity, records, progress, error }) => (
        <li key={entity}>
          <span>{wordsOf(entity)}</span>
          <span class="muted number">{error ?? progressText(records, progress)}</span>
        </li>
      ))}
    </ul>
  );
}

function progressText(
  records: number,
  progress: { readonly read: number | null; readonly total: number | null } | null,
): string {
  if (progress?.read == null) return `${amount(records)} records`;
  const of = progress.total === null ? "" : ` of ${amount(progress.total)}`;
  return `${amount(progress.read)}${of} read`;
}

function configPath(platform: Platform): string {
  return platform === "linux"
    ? "/etc/millrace-agent/agent.yaml"
    : "%ProgramData%\\Millrace\\agent\\agent.yaml";
}
