// What can be asked of an endpoint: a test, what was missed, a new secret, that it goes.
import { useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { AskDialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { amount, counted, exactTime, milliseconds } from "../parts/text.ts";
import { toast } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import { toneOfStatus } from "./http-tone.ts";
import { isToldOf } from "./webhook-draft.ts";
import { outcomeText } from "./webhook-look.ts";

interface AskProps {
  readonly endpoint: Schema<"WebhookEndpoint">;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

const TESTED_TYPE = "purchase_order.updated";
const HOUR_MS = 3_600_000;
const PERIODS: readonly (readonly [hours: number, title: string])[] = [
  [1, "The last hour"],
  [6, "The last 6 hours"],
  [24, "The last 24 hours"],
  [24 * 7, "The last 7 days"],
];

export function TestDialog({ endpoint, onClose, onDone }: AskProps) {
  const [chosen, setType] = useState<string>();
  const [sent, setSent] = useState<Schema<"WebhookSent">>();
  const types = useResource("webhook-types", (signal) =>
    unwrap(api.GET("/v1/webhook-event-types", { signal })),
  ).data?.data;
  // One that it is told of, unless another is chosen.
  const type = chosen ?? types?.find((each) => isToldOf(endpoint.types, each.type))?.type ?? TESTED_TYPE;
  const send = async (): Promise<void> => {
    const params = { path: { id: endpoint.id } };
    setSent(await unwrap(api.POST("/v1/webhook-endpoints/{id}/test", { params, body: { type } })));
    onDone();
  };
  return (
    <AskDialog title="Send a test" action="Send it" leave="Close" onClose={onClose} onAsk={send}>
      <Field
        label="Event type"
        hint="A real record of the connection is taken where there is one. The payload says that it is a test."
        control={(ids) => (
          <select
            {...ids}
            class="select"
            value={type}
            onChange={(event) => setType(event.currentTarget.value)}
          >
            {(types ?? [{ type }]).map((each) => (
              <option key={each.type} value={each.type}>
                {each.type}
              </option>
            ))}
          </select>
        )}
      />
      {sent !== undefined && <Sent sent={sent} />}
    </AskDialog>
  );
}

function Sent({ sent }: { readonly sent: Schema<"WebhookSent"> }) {
  const { attempt, delivery_id: id } = sent;
  const isGood = attempt !== null && attempt.error === null && toneOfStatus(attempt.status ?? 0) === "good";
  return (
    <div class="stack tight" role="status">
      {attempt === null ? (
        <p>It is on its way.</p>
      ) : (
        <p>
          <Badge tone={isGood ? "good" : "bad"} icon={isGood ? "check" : "cross"}>
            {outcomeText(attempt.status, attempt.error) ?? "No answer"}
          </Badge>{" "}
          after {milliseconds(attempt.timings.total_ms)}. {attempt.detail}
        </p>
      )}
      <p>
        <a href={to("/webhooks/deliveries/:id", { id })}>See the delivery</a>
      </p>
    </div>
  );
}

export function RecoverDialog({ endpoint, onClose, onDone }: AskProps) {
  const [hours, setHours] = useState(24);
  const [resume, setResume] = useState<string | null>(null);
  const recover = async (): Promise<void> => {
    const since = resume ?? new Date(Date.now() - hours * HOUR_MS).toISOString();
    const params = { path: { id: endpoint.id } };
    const found = await unwrap(api.POST("/v1/webhook-endpoints/{id}/recover", { params, body: { since } }));
    toast("good", `${counted(found.matched, "event")} and ${amount(found.retried)} given up are on the way.`);
    setResume(found.resume_since);
    onDone();
    if (found.resume_since === null) onClose();
  };
  return (
    <AskDialog
      title="Recover what was missed"
      action={resume === null ? "Recover" : "Go on"}
      leave="Close"
      onClose={onClose}
      onAsk={recover}
    >
      <p>
        Everything that {endpoint.name} wants and never got is sent: events of a time when it was disabled or
        not there, and deliveries that were given up. What was delivered is not sent again.
      </p>
      <Field
        label="Since"
        control={(ids) => (
          <select
            {...ids}
            class="select"
            value={hours}
            disabled={resume !== null}
            onChange={(event) => setHours(Number(event.currentTarget.value))}
          >
            {PERIODS.map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        )}
      />
      {resume !== null && (
        <p role="status">
          There is more, from {exactTime(Date.parse(resume))} on. Go on when these are through.
        </p>
      )}
    </AskDialog>
  );
}

export function RotateDialog(
  props: AskProps & { readonly onMade: (made: Schema<"NewWebhookEndpoint">) => void },
) {
  const { endpoint, onClose, onDone, onMade } = props;
  const [hasLeaked, setLeaked] = useState(false);
  const rotate = async (): Promise<void> => {
    const params = { path: { id: endpoint.id } };
    const body = { expire_now: hasLeaked };
    onMade(await unwrap(api.POST("/v1/webhook-endpoints/{id}/secrets", { params, body })));
    onDone();
    onClose();
  };
  return (
    <AskDialog title="Rotate the secret" action="Rotate" leave="Close" onClose={onClose} onAsk={rotate}>
      <p>
        A new secret signs from now on and is shown once. The one before signs along for 24 hours, so that the
        receiver can change over without losing anything.
      </p>
      <label class="check-line">
        <input
          type="checkbox"
          checked={hasLeaked}
          onChange={(event) => setLeaked(event.currentTarget.checked)}
        />
        The old one has leaked: it signs nothing any more
      </label>
    </AskDialog>
  );
}

export function DeleteDialog({ endpoint, onClose }: AskProps) {
  const location = useLocation();
  const remove = async (): Promise<void> => {
    await unwrap(api.DELETE("/v1/webhook-endpoints/{id}", { params: { path: { id: endpoint.id } } }));
    toast("good", `${endpoint.name} is deleted.`);
    location.route(to("/webhooks"));
  };
  return (
    <AskDialog title={`Delete ${endpoint.name}?`} action="Delete" isDanger onAsk={remove} onClose={onClose}>
      <p>
        What waits for it is discarded, and nothing is kept for it any more. The log of what was delivered
        stays. To stop it for a while only, disable it.
      </p>
    </AskDialog>
  );
}
