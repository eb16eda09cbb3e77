// The overview's figures: each leads to the screen that shows what it counts.
import type { ComponentChildren } from "preact";
import type { Schema } from "../api/client.ts";
import { statusLook, type Tone } from "../parts/status.ts";
import { amount, bytes, counted, percent, relativeTime } from "../parts/text.ts";
import { nowMs, Time } from "../parts/time.tsx";
import { to, toSeen } from "../paths.ts";
import { onlineOf, shareOf } from "./overview-shares.ts";

type Overview = Schema<"Overview">;

/** From well to ill, as the bar shows them. */
const TONES: readonly Tone[] = ["good", "info", "idle", "warn", "bad"];

interface FigureProps {
  readonly name: string;
  /** Absent where no screen shows more. */
  readonly href: string | undefined;
  readonly value: ComponentChildren;
  readonly of?: string;
  readonly tone?: Tone | undefined;
  readonly note: ComponentChildren;
}

/** undefined while they are fetched for the first time. */
export function Figures({ overview }: { readonly overview: Overview | undefined }) {
  if (overview === undefined) return <Skeletons />;
  const { connections, agents, syncs, backlog } = overview;
  const offline = connections.by_status["offline"] ?? 0;
  const refused = connections.by_status["reauthorization_required"] ?? 0;
  return (
    <div class="figures">
      <Figure
        name="Connections online"
        href={to("/connections")}
        value={amount(onlineOf(connections.by_status))}
        of={amount(connections.total)}
        note={<StateBar counts={connections.by_status} />}
      />
      <Figure
        name="Offline"
        href={to("/connections", {}, "?status=offline")}
        value={amount(offline)}
        tone={offline > 0 ? "bad" : undefined}
        note={offline > 0 ? "what was read before is still served" : "no plant is out of touch"}
      />
      <Figure
        name="Needs reauthorization"
        href={to("/connections", {}, "?status=reauthorization_required")}
        value={amount(refused)}
        tone={refused > 0 ? "bad" : undefined}
        note={refused > 0 ? "the source refuses the login" : "no login was refused"}
      />
      <Figure
        name="Agents online"
        href={to("/agents")}
        value={amount(agents.online)}
        of={amount(agents.total)}
        tone={agents.online < agents.total ? "warn" : undefined}
        note={agentsNote(agents)}
      />
      <Figure
        name="Stalest sync"
        href={to("/connections", {}, "?sort=sync")}
        value={syncs.stalest_at === null ? "–" : <Time at={syncs.stalest_at} />}
        note={
          syncs.never === 0
            ? "every connection has synchronized"
            : `${counted(syncs.never, "connection")} never yet`
        }
      />
      <Figure
        name="Backlog at the plants"
        href={to("/connections", {}, "?sort=-backlog")}
        value={backlog.bytes === 0 ? "none" : bytes(backlog.bytes)}
        note={
          backlog.bytes === 0
            ? "everything was delivered"
            : `of ${counted(backlog.connections, "connection")}`
        }
      />
      <Webhooks webhooks={overview.webhooks} />
      <Requests requests={overview.requests} />
    </div>
  );
}

function agentsNote({ total, online }: Overview["agents"]): string {
  if (total === 0) return "none enrolled yet";
  return online < total ? `${amount(total - online)} out of touch` : "all of them";
}

function Webhooks({ webhooks }: { readonly webhooks: Overview["webhooks"] }) {
  const { endpoints, failing, disabled, pending, oldest_pending_at: oldest } = webhooks;
  const share = shareOf(webhooks.attempts - webhooks.failed_attempts, webhooks.attempts);
  const notes = [
    ...(failing > 0 ? [`${amount(failing)} failing`] : []),
    ...(disabled > 0 ? [`${amount(disabled)} disabled`] : []),
    ...(webhooks.exhausted > 0 ? [`${amount(webhooks.exhausted)} given up`] : []),
    ...(pending > 0 && oldest !== null
      ? [`${amount(pending)} waiting, oldest from ${relativeTime(Date.parse(oldest), nowMs.value)}`]
      : []),
  ];
  return (
    <Figure
      name="Webhook success"
      href={to("/webhooks")}
      value={share === undefined ? "–" : percent(share)}
      tone={disabled + webhooks.exhausted > 0 ? "bad" : failing > 0 ? "warn" : undefined}
      note={
        endpoints === 0
          ? "no endpoint yet"
          : notes.join(" · ") || `${amount(webhooks.delivered)} delivered in 24 h`
      }
    />
  );
}

function Requests({ requests }: { readonly requests: Overview["requests"] }) {
  const { logged, client_errors: refused, server_errors: failed } = requests;
  return (
    <Figure
      name="API errors in 24 h"
      href={toSeen("/requests")}
      value={amount(failed)}
      tone={failed > 0 ? "warn" : undefined}
      note={`${counted(refused, "request")} refused (4xx), ${amount(logged)} logged`}
    />
  );
}

function Figure({ name, href, value, of, tone, note }: FigureProps) {
  const content = (
    <>
      <span class="name">{name}</span>
      <span class="value">
        {value}
        {of !== undefined && <small> of {of}</small>}
      </span>
      <span class="note">{note}</span>
    </>
  );
  if (href === undefined)
    return (
      <div class="card figure" data-tone={tone}>
        {content}
      </div>
    );
  return (
    <a class="card figure" href={href} data-tone={tone}>
      {content}
    </a>
  );
}

function Skeletons() {
  return (
    <div class="figures" aria-busy="true">
      {["a", "b", "c", "d", "e", "f", "g", "h"].map((key) => (
        <div class="card figure" key={key}>
          <span class="skeleton" />
          <span class="value">
            <span class="skeleton" />
          </span>
          <span class="skeleton" />
        </div>
      ))}
    </div>
  );
}

function StateBar({ counts }: { readonly counts: Overview["connections"]["by_status"] }) {
  const parts = Object.entries(counts)
    .map(([status, count]) => ({ look: statusLook(status), count }))
    .toSorted((a, b) => TONES.indexOf(a.look.tone) - TONES.indexOf(b.look.tone) || b.count - a.count);
  if (parts.length === 0) return <>none yet</>;
  return (
    <>
      <span class="bar" aria-hidden="true">
        {parts.map(({ look, count }) => (
          <span key={look.label} data-tone={look.tone} style={{ flexGrow: count }} />
        ))}
      </span>
      {parts.map(({ look, count }) => `${amount(count)} ${look.label.toLowerCase()}`).join(" · ")}
    </>
  );
}
