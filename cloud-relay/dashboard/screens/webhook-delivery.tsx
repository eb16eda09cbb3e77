// One delivery: what is sent, every try with its phases and answer, and when it is tried next.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { can } from "../api/session-state.ts";
import { Badge } from "../parts/badge.tsx";
import { ConnectionLink } from "../parts/connection-link.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { wordsOf } from "../parts/status.ts";
import { amount, milliseconds } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { toast, toastProblem } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { readableBody } from "./curl-text.ts";
import { toneOfStatus } from "./http-tone.ts";
import { phaseBars, scaleOf } from "./waterfall.ts";
import { DeliveryBadge } from "./webhook-deliveries.tsx";
import { EraseDialog } from "./webhook-erase.tsx";
import { nextTryAt, outcomeText, WEBHOOK_EVENTS } from "./webhook-look.ts";
import "./webhooks.css";

type Detail = Schema<"WebhookDeliveryDetail">;
type Attempt = Schema<"WebhookAttempt">;

const LOOK_EVERY_MS = 2_000;

export function WebhookDeliveryScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const [isErasing, setErasing] = useState(false);
  const { data, problem, reload } = useResource(
    `delivery ${id}`,
    (signal) => unwrap(api.GET("/v1/webhook-deliveries/{id}", { params: { path: { id } }, signal })),
    { on: WEBHOOK_EVENTS, everyMs: LOOK_EVERY_MS },
  );
  return (
    <Page
      title={data?.type ?? "Delivery"}
      back={{ title: "Deliveries", href: to("/webhooks/deliveries") }}
      beside={data && <DeliveryBadge delivery={data} />}
      actions={
        data && (
          <>
            {can("admin") && data.body !== null && (
              <button type="button" class="button" onClick={() => setErasing(true)}>
                Erase
              </button>
            )}
            {can("operator") && data.body !== null && <RetryButton id={id} onDone={reload} />}
          </>
        )
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Facts delivery={data} />}
      {data !== undefined && <Attempts delivery={data} />}
      {data !== undefined && (
        <Card title="What is sent">
          {data.body === null ? (
            <p class="muted">Not held any more: it cannot be sent again.</p>
          ) : (
            <JsonView value={readableBody(data.body)} label="payload" />
          )}
        </Card>
      )}
      {data !== undefined && isErasing && (
        <EraseDialog delivery={data} onClose={() => setErasing(false)} onDone={reload} />
      )}
    </Page>
  );
}

function RetryButton({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const [isBusy, setBusy] = useState(false);
  const retry = async (): Promise<void> => {
    setBusy(true);
    try {
      const { attempt } = await unwrap(
        api.POST("/v1/webhook-deliveries/{id}/retry", { params: { path: { id } } }),
      );
      const isGood = attempt?.error === null && (attempt.status ?? 0) < 300;
      if (attempt === null) toast("good", "It is on its way already.");
      else toast(isGood ? "good" : "bad", `It was sent: ${outcomeText(attempt.status, attempt.error)}.`);
    } catch (error) {
      toastProblem(error);
    }
    onDone();
    setBusy(false);
  };
  return (
    <button type="button" class="button primary" disabled={isBusy} onClick={() => void retry()}>
      {isBusy ? "Sending…" : "Retry now"}
    </button>
  );
}

function Facts({ delivery }: { readonly delivery: Detail }) {
  const { connection_id: connection, record_id: record, endpoint_id: id } = delivery;
  const { data: endpoint } = useResource(
    `endpoint ${id}`,
    (signal) => unwrap(api.GET("/v1/webhook-endpoints/{id}", { params: { path: { id } }, signal })),
    { on: WEBHOOK_EVENTS, everyMs: LOOK_EVERY_MS },
  );
  const next = nextTryAt(delivery, endpoint);
  return (
    <Card>
      <KeyValue
        items={[
          [
            "Next retry",
            next === undefined ? (
              "none"
            ) : (
              <span class="row wrap">
                <strong>
                  <Time at={next} />
                </strong>
                <span class="muted small">
                  <Time at={next} isExact />
                  {next !== delivery.next_attempt_at && ": its endpoint fails and is paused until then"}
                </span>
              </span>
            ),
          ],
          ["Tries", amount(delivery.attempts)],
          ["Last answer", outcomeText(delivery.last_status, delivery.last_error)],
          ["Endpoint", <a href={to("/webhooks/endpoints/:id", { id })}>{endpoint?.name ?? id}</a>],
          [
            "Event",
            <span class="row">
              <code>{delivery.event_id}</code>
              <CopyButton text={delivery.event_id} label="Copy the event's id" />
            </span>,
          ],
          ["Connection", connection && <ConnectionLink id={connection} />],
          ["Record", record && <code>{record}</code>],
          ["Since", <Time at={delivery.created_at} isExact />],
          ["Finished", <Time at={delivery.finished_at} isExact />],
        ]}
      />
    </Card>
  );
}

function Attempts({ delivery }: { readonly delivery: Detail }) {
  const all = delivery.attempt_log;
  const scaleMs = scaleOf(all.map(({ timings }) => timings));
  return (
    <Card title="Tries" isFlush>
      {all.length === 0 && <p class="card-body muted">Nothing was sent yet.</p>}
      {all.toReversed().map((attempt, index) => (
        <AttemptView key={attempt.number} attempt={attempt} scaleMs={scaleMs} isNewest={index === 0} />
      ))}
    </Card>
  );
}

function AttemptView(props: {
  readonly attempt: Attempt;
  readonly scaleMs: number;
  readonly isNewest: boolean;
}) {
  const { attempt, scaleMs, isNewest } = props;
  const tone = attempt.error !== null || attempt.status === null ? "bad" : toneOfStatus(attempt.status);
  return (
    <article class="attempt stack tight" aria-label={`Try ${attempt.number}`}>
      <div class="row wrap between">
        <div class="row wrap">
          <h3>Try {attempt.number}</h3>
          <Badge tone={tone}>{outcomeText(attempt.status, attempt.error) ?? "No answer"}</Badge>
          {attempt.trigger !== "automatic" && <Badge>{wordsOf(attempt.trigger)}</Badge>}
        </div>
        <span class="small muted">
          <Time at={attempt.at} isExact />
        </span>
      </div>
      {attempt.detail !== null && <p>{attempt.detail}</p>}
      <Waterfall attempt={attempt} scaleMs={scaleMs} />
      <details open={isNewest}>
        <summary>Request and answer</summary>
        <div class="stack tight">
          <KeyValue
            items={[
              ["Address", <code>{attempt.url}</code>],
              ["Answered from", attempt.remote_address],
            ]}
          />
          <JsonView value={attempt.request_headers} label="request headers" />
          {attempt.status !== null && <JsonView value={attempt.response_headers} label="answer headers" />}
          {attempt.response_body !== null && attempt.response_body !== "" && (
            <JsonView value={readableBody(attempt.response_body)} label="answer body" />
          )}
        </div>
      </details>
    </article>
  );
}

function Waterfall({ attempt, scaleMs }: { readonly attempt: Attempt; readonly scaleMs: number }) {
  const bars = phaseBars(attempt.timings, scaleMs);
  return (
    <ol class="waterfall" aria-label={`Phases of try ${attempt.number}`}>
      {bars.map(({ phase, title, ms, left, width }) => (
        <li key={phase} data-phase={phase}>
          <span>{title}</span>
          <span class="track">
            <span style={{ left: `${left}%`, width: `${width}%` }} />
          </span>
          <span class="number end">{milliseconds(ms)}</span>
        </li>
      ))}
      <li>
        <span class="muted">In all</span>
        <span />
        <strong class="number end">{milliseconds(attempt.timings.total_ms)}</strong>
      </li>
    </ol>
  );
}
