// One endpoint: how it fares, what it is told of, its secrets, and what can be done with it.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { Badge } from "../parts/badge.tsx";
import { ConnectionLink } from "../parts/connection-link.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { amount, percent } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { toast, toastProblem } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { shareOf } from "./overview-shares.ts";
import { DeleteDialog, RecoverDialog, RotateDialog, TestDialog } from "./webhook-dialogs.tsx";
import { WebhookForm } from "./webhook-form.tsx";
import { WEBHOOK_EVENTS } from "./webhook-look.ts";
import { SecretDialog } from "./webhook-secret.tsx";
import { EndpointBadge } from "./webhooks.tsx";

type Endpoint = Schema<"WebhookEndpoint">;

const LOOK_EVERY_MS = 3_000;

export function WebhookEndpointScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const { data, problem, reload } = useResource(
    `endpoint ${id}`,
    (signal) => unwrap(api.GET("/v1/webhook-endpoints/{id}", { params: { path: { id } }, signal })),
    { on: WEBHOOK_EVENTS, everyMs: LOOK_EVERY_MS },
  );
  return (
    <Page
      title={data?.name ?? "Endpoint"}
      back={{ title: "Webhooks", href: to("/webhooks") }}
      beside={data && <EndpointBadge endpoint={data} />}
      actions={data && <Actions endpoint={data} onDone={reload} />}
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Health endpoint={data} />}
      {data !== undefined && <Settings endpoint={data} />}
      {data !== undefined && <Secrets endpoint={data} onDone={reload} />}
      {data !== undefined && <Asked endpoint={data} onDone={reload} />}
    </Page>
  );
}

/** `do` in the address says which dialog is open. */
function Actions({ endpoint, onDone }: { readonly endpoint: Endpoint; readonly onDone: () => void }) {
  const query = useQuery();
  const open = (name: string) => () => query.set({ do: name });
  const turn = async (): Promise<void> => {
    const params = { path: { id: endpoint.id } };
    try {
      if (endpoint.disabled === null)
        await unwrap(api.POST("/v1/webhook-endpoints/{id}/disable", { params }));
      else await unwrap(api.POST("/v1/webhook-endpoints/{id}/enable", { params }));
      toast("good", `${endpoint.name} is ${endpoint.disabled === null ? "disabled" : "enabled"}.`);
    } catch (error) {
      toastProblem(error);
    }
    onDone();
  };
  return (
    <>
      {can("operator") && (
        <>
          <button type="button" class="button primary" onClick={open("test")}>
            Send a test
          </button>
          <button type="button" class="button" onClick={open("recover")}>
            Recover
          </button>
        </>
      )}
      {can("admin") && (
        <>
          <button type="button" class="button" onClick={open("edit")}>
            Change
          </button>
          <button type="button" class="button" onClick={() => void turn()}>
            {endpoint.disabled === null ? "Disable" : "Enable"}
          </button>
          <button type="button" class="button danger" onClick={open("delete")}>
            Delete
          </button>
        </>
      )}
    </>
  );
}

function Asked({ endpoint, onDone }: { readonly endpoint: Endpoint; readonly onDone: () => void }) {
  const query = useQuery();
  const [made, setMade] = useState<Schema<"NewWebhookEndpoint">>();
  const asked = query.get("do");
  const close = (): void => query.set({ do: undefined });
  const common = { endpoint, onClose: close, onDone };
  return (
    <>
      {asked === "test" && can("operator") && <TestDialog {...common} />}
      {asked === "recover" && can("operator") && <RecoverDialog {...common} />}
      {asked === "edit" && can("admin") && (
        <WebhookForm connections={[]} endpoint={endpoint} onClose={close} onChanged={onDone} />
      )}
      {asked === "rotate" && can("admin") && <RotateDialog {...common} onMade={setMade} />}
      {asked === "delete" && can("admin") && <DeleteDialog {...common} />}
      {made !== undefined && <SecretDialog made={made} onClose={() => setMade(undefined)} />}
    </>
  );
}

function Health({ endpoint }: { readonly endpoint: Endpoint }) {
  const { id, health, stats, disabled } = endpoint;
  const share = shareOf(stats.attempts - stats.failed_attempts, stats.attempts);
  const deliveries = (state: string): string => to("/webhooks/deliveries", {}, `?endpoint_id=${id}${state}`);
  return (
    <Card title="How it fares" actions={<a href={deliveries("")}>All its deliveries</a>}>
      <KeyValue
        items={[
          ...(disabled === null
            ? []
            : ([
                ["Disabled", wordsOf(disabled.reason)],
                ["Why", disabled.detail],
                ["Since", <Time at={disabled.at} isExact />],
              ] as const)),
          ["Breaker", breakerText(health.breaker)],
          ["Paused until", <Time at={health.parked_until} />],
          ["Failed in a row", amount(health.consecutive_failures)],
          ["Failing since", <Time at={health.failing_since} />],
          ["Last success", <Time at={health.last_success_at} />],
          ["Last failure", <Time at={health.last_failure_at} />],
          [
            "Success, 24 h",
            share === undefined ? "nothing was sent" : `${percent(share)} of ${amount(stats.attempts)} tries`,
          ],
          [
            "Waiting",
            stats.pending === 0 ? (
              "none"
            ) : (
              <a href={deliveries("&state=pending")}>
                {amount(stats.pending)}, the oldest since <Time at={stats.oldest_pending_at} />
              </a>
            ),
          ],
          [
            "Given up, 24 h",
            stats.exhausted === 0 ? (
              "none"
            ) : (
              <a href={deliveries("&state=exhausted")}>{amount(stats.exhausted)}</a>
            ),
          ],
        ]}
      />
    </Card>
  );
}

function breakerText(breaker: string): string {
  if (breaker === "closed") return "Closed: everything is sent";
  if (breaker === "open") return "Open: it failed too often, nothing is sent for a while";
  return breaker === "half_open" ? "Half open: single tries until one succeeds" : wordsOf(breaker);
}

function Settings({ endpoint }: { readonly endpoint: Endpoint }) {
  const headers = Object.entries(endpoint.headers).map(([name, value]) => `${name}: ${value}`);
  return (
    <Card title="What it is told">
      <KeyValue
        items={[
          ["URL", <code>{endpoint.url}</code>],
          [
            "Connection",
            endpoint.connection_id === null ? (
              "all of the workspace"
            ) : (
              <ConnectionLink id={endpoint.connection_id} />
            ),
          ],
          ["Event types", <code>{endpoint.types.join(", ")}</code>],
          ["Records' events of", <code>{endpoint.origins.join(", ")}</code>],
          ["Echoes of own writes", endpoint.echoes ? "come too" : "are left out"],
          ["Condition", endpoint.condition && <code>{endpoint.condition}</code>],
          ["Payload", `${wordsOf(endpoint.payload)}, version ${endpoint.payload_version}`],
          ["Order", endpoint.ordering === "record" ? "record by record" : "as it comes"],
          ["At once", amount(endpoint.at_once)],
          ["A second", endpoint.per_second === null ? "no limit of its own" : amount(endpoint.per_second)],
          ["Headers", headers.length === 0 ? undefined : <code>{headers.join(", ")}</code>],
          ["Id", <code>{endpoint.id}</code>],
        ]}
      />
    </Card>
  );
}

function Secrets({ endpoint, onDone }: { readonly endpoint: Endpoint; readonly onDone: () => void }) {
  const query = useQuery();
  const revoke = async (secretId: string): Promise<void> => {
    try {
      const params = { path: { id: endpoint.id, signer_id: secretId } };
      await unwrap(api.DELETE("/v1/webhook-endpoints/{id}/secrets/{signer_id}", { params }));
      toast("good", "It signs nothing any more.");
    } catch (error) {
      toastProblem(error);
    }
    onDone();
  };
  return (
    <Card
      title="Secrets"
      actions={
        can("admin") && (
          <button type="button" class="button small" onClick={() => query.set({ do: "rotate" })}>
            Rotate
          </button>
        )
      }
    >
      <ul class="stack tight">
        {endpoint.secrets.map((secret) => (
          <li key={secret.id} class="row wrap">
            <code>{secret.public_key ?? secret.id}</code>
            <Badge tone={secret.expires_at === null ? "good" : "warn"}>
              {secret.expires_at === null ? `${secret.kind}, current` : `${secret.kind}, old`}
            </Badge>
            <span class="small muted">
              made <Time at={secret.created_at} />
              {secret.expires_at !== null && (
                <>
                  , signs along until <Time at={secret.expires_at} isExact />
                </>
              )}
            </span>
            {secret.expires_at !== null && can("admin") && (
              <button type="button" class="button small" onClick={() => void revoke(secret.id)}>
                Revoke now
              </button>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}
