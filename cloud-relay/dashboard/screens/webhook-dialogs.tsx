// What can be asked of an endpoint: a test, what was missed, a new secret, that it goes.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { problemOf, type ProblemView } from "../api/problem.ts";
import { useResource } from "../api/resource.ts";
import { ConfirmDialog, Dialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { ProblemNotice } from "../parts/notice.tsx";
import { amount, counted, exactTime, milliseconds } from "../parts/text.ts";
import { toast, toastProblem } from "../parts/toast.tsx";
import { to } from "../paths.ts";
import { outcomeText } from "./webhook-look.ts";

interface AskProps {
  readonly endpoint: Schema<"WebhookEndpoint">;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

const HOUR_MS = 3_600_000;
const PERIODS: readonly (readonly [hours: number, title: string])[] = [
  [1, "The last hour"],
  [6, "The last 6 hours"],
  [24, "The last 24 hours"],
  [24 * 7, "The last 7 days"],
];

export function TestDialog({ endpoint, onClose, onDone }: AskProps) {
  const [type, setType] = useState("purchase_order.updated");
  const [sent, setSent] = useState<Schema<"WebhookSent">>();
  const { isBusy, problem, run } = useAsk();
  const types = useResource("webhook-types", (signal) =>
    unwrap(api.GET("/v1/webhook-event-types", { signal })),
  ).data?.data;
  const send = async (): Promise<void> => {
    const params = { path: { id: endpoint.id } };
    setSent(await unwrap(api.POST("/v1/webhook-endpoints/{id}/test", { params, body: { type } })));
    onDone();
  };
  return (
    <Ask title="Send a test" action="Send it" isBusy={isBusy} onClose={onClose} onAsk={() => run(send)}>
      {problem !== undefined && <ProblemNotice problem={problem} />}
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
    </Ask>
  );
}

function Sent({ sent }: { readonly sent: Schema<"WebhookSent"> }) {
  const { attempt, delivery_id: id } = sent;
  return (
    <p role="status">
      {attempt === null
        ? "It is on its way. "
        : `${outcomeText(attempt.status, attempt.error) ?? "No answer"} after ${milliseconds(attempt.timings.total_ms)}. ${attempt.detail ?? ""} `}
      <a href={to("/webhooks/deliveries/:id", { id })}>See the delivery</a>
    </p>
  );
}

export function RecoverDialog({ endpoint, onClose, onDone }: AskProps) {
  const [hours, setHours] = useState(24);
  const [resume, setResume] = useState<string | null>(null);
  const { isBusy, problem, run } = useAsk();
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
    <Ask
      title="Recover what was missed"
      action={resume === null ? "Recover" : "Go on"}
      isBusy={isBusy}
      onClose={onClose}
      onAsk={() => run(recover)}
    >
      {problem !== undefined && <ProblemNotice problem={problem} />}
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
    </Ask>
  );
}

export function RotateDialog(
  props: AskProps & { readonly onMade: (made: Schema<"NewWebhookEndpoint">) => void },
) {
  const { endpoint, onClose, onDone, onMade } = props;
  const [hasLeaked, setLeaked] = useState(false);
  const { isBusy, problem, run } = useAsk();
  const rotate = async (): Promise<void> => {
    const params = { path: { id: endpoint.id } };
    const body = { expire_now: hasLeaked };
    onMade(await unwrap(api.POST("/v1/webhook-endpoints/{id}/secrets", { params, body })));
    onDone();
    onClose();
  };
  return (
    <Ask
      title="Rotate the secret"
      action="Rotate"
      isBusy={isBusy}
      onClose={onClose}
      onAsk={() => run(rotate)}
    >
      {problem !== undefined && <ProblemNotice problem={problem} />}
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
    </Ask>
  );
}

export function DeleteDialog({ endpoint, onClose }: AskProps) {
  const location = useLocation();
  const [isBusy, setBusy] = useState(false);
  const confirm = async (): Promise<void> => {
    setBusy(true);
    try {
      await unwrap(api.DELETE("/v1/webhook-endpoints/{id}", { params: { path: { id: endpoint.id } } }));
      toast("good", `${endpoint.name} is deleted.`);
      location.route(to("/webhooks"));
    } catch (error) {
      toastProblem(error);
      onClose();
    }
  };
  return (
    <ConfirmDialog
      title={`Delete ${endpoint.name}?`}
      action="Delete"
      isBusy={isBusy}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      <p>
        What waits for it is discarded, and nothing is kept for it any more. The log of what was delivered
        stays. To stop it for a while only, disable it.
      </p>
    </ConfirmDialog>
  );
}

function useAsk() {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ProblemView>();
  const run = (ask: () => Promise<void>): void => {
    setBusy(true);
    setProblem(undefined);
    ask()
      .catch((error: unknown) => setProblem(problemOf(error)))
      .finally(() => setBusy(false));
  };
  return { isBusy, problem, run };
}

function Ask(props: {
  readonly title: string;
  readonly action: string;
  readonly isBusy: boolean;
  readonly onClose: () => void;
  readonly onAsk: () => void;
  readonly children: ComponentChildren;
}) {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      actions={
        <>
          <button type="button" class="button" onClick={props.onClose}>
            Close
          </button>
          <button type="button" class="button primary" disabled={props.isBusy} onClick={props.onAsk}>
            {props.action}
          </button>
        </>
      }
    >
      {props.children}
    </Dialog>
  );
}
