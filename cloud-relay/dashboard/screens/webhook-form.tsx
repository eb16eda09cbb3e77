// The form of an endpoint: a new one, or the settings of one that is there.
import { useEffect, useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { problemOf, type ProblemView } from "../api/problem.ts";
import { useResource } from "../api/resource.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { ProblemNotice } from "../parts/notice.tsx";
import { toast } from "../parts/toast.tsx";
import { bodyOf, draftOf, NEW_DRAFT, wrongHeader, type EndpointDraft } from "./webhook-draft.ts";
import { TypePicker } from "./webhook-types.tsx";
import "./webhooks.css";

type Endpoint = Schema<"WebhookEndpoint">;

interface FormProps {
  readonly connections: readonly Schema<"Connection">[];
  /** Absent: a new one. */
  readonly endpoint?: Endpoint;
  readonly onClose: () => void;
  readonly onMade?: (made: Schema<"NewWebhookEndpoint">) => void;
  readonly onChanged?: () => void;
}

export function WebhookForm({ connections, endpoint, onClose, onMade, onChanged }: FormProps) {
  const [draft, setDraft] = useState(endpoint === undefined ? NEW_DRAFT : draftOf(endpoint));
  const [problem, setProblem] = useState<ProblemView>();
  const [isBusy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      if (endpoint === undefined) onMade?.(await make(draft));
      else {
        const params = { path: { id: endpoint.id } };
        await unwrap(api.PATCH("/v1/webhook-endpoints/{id}", { params, body: bodyOf(draft) }));
        toast("good", `${draft.name} is changed.`);
        onChanged?.();
        onClose();
      }
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  // The form is longer than the screen: what is wrong with it comes into view.
  useEffect(() => {
    if (problem === undefined) return;
    const wrong = document.querySelector<HTMLElement>("#endpoint [aria-invalid=true], dialog .notice");
    wrong?.scrollIntoView({ block: "center" });
    wrong?.focus({ preventScroll: true });
  }, [problem]);
  const isReady = draft.url.trim() !== "" && wrongHeader(draft.headers) === undefined;
  return (
    <Dialog
      title={endpoint === undefined ? "Add an endpoint" : `Change ${endpoint.name}`}
      onClose={onClose}
      actions={
        <>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form="endpoint" class="button primary" disabled={isBusy || !isReady}>
            {endpoint === undefined ? "Add the endpoint" : "Save"}
          </button>
        </>
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} />}
      <form
        id="endpoint"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Where draft={draft} onChange={setDraft} problem={problem} />
        <What draft={draft} onChange={setDraft} connections={connections} isNew={endpoint === undefined} />
        <How draft={draft} onChange={setDraft} isNew={endpoint === undefined} problem={problem} />
      </form>
    </Dialog>
  );
}

function make(draft: EndpointDraft): Promise<Schema<"NewWebhookEndpoint">> {
  const { condition, ...body } = bodyOf(draft);
  return unwrap(
    api.POST("/v1/webhook-endpoints", {
      body: {
        ...body,
        ...(condition !== null && { condition }),
        ...(draft.connectionId !== "" && { connection_id: draft.connectionId }),
        signature: draft.signature === "v1a" ? "v1a" : "v1",
      },
    }),
  );
}

interface PartProps {
  readonly draft: EndpointDraft;
  readonly onChange: (draft: EndpointDraft) => void;
}

function wrongOf(problem: ProblemView | undefined, pointer: string): string | undefined {
  return problem?.issues.find((issue) => issue.pointer.startsWith(pointer))?.detail;
}

function Where({ draft, onChange, problem }: PartProps & { readonly problem: ProblemView | undefined }) {
  return (
    <>
      <Field
        label="URL"
        hint="Of your own software: https, at a public address. It answers 2xx within ten seconds when it has kept what it was sent."
        wrong={wrongOf(problem, "#/url")}
        control={(ids) => (
          <input
            {...ids}
            class="input mono"
            placeholder="https://example.com/millrace"
            maxLength={2_000}
            value={draft.url}
            onInput={(event) => onChange({ ...draft, url: event.currentTarget.value })}
          />
        )}
      />
      <Field
        label="Name"
        hint="For people. Its host's name if left empty."
        control={(ids) => (
          <input
            {...ids}
            class="input"
            maxLength={100}
            value={draft.name}
            onInput={(event) => onChange({ ...draft, name: event.currentTarget.value })}
          />
        )}
      />
    </>
  );
}

function What(
  props: PartProps & { readonly connections: FormProps["connections"]; readonly isNew: boolean },
) {
  const { draft, onChange, connections, isNew } = props;
  const catalogue = useResource("webhook-types", (signal) =>
    unwrap(api.GET("/v1/webhook-event-types", { signal })),
  ).data?.data;
  return (
    <>
      {isNew && (
        <Field
          label="Connection"
          hint="Only what happens at one plant, or everything of the workspace. It stays so."
          control={(ids) => (
            <select
              {...ids}
              class="select"
              value={draft.connectionId}
              onChange={(event) => onChange({ ...draft, connectionId: event.currentTarget.value })}
            >
              <option value="">All connections</option>
              {connections.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        />
      )}
      <TypePicker all={catalogue} chosen={draft.types} onChange={(types) => onChange({ ...draft, types })} />
    </>
  );
}

function How(props: PartProps & { readonly isNew: boolean; readonly problem: ProblemView | undefined }) {
  const { draft, onChange, isNew, problem } = props;
  const badHeader = wrongHeader(draft.headers);
  return (
    <>
      <Field
        label="Condition"
        hint="CEL over event, the payload: only events for which it is true are sent. May be left empty."
        wrong={wrongOf(problem, "#/condition")}
        control={(ids) => (
          <input
            {...ids}
            class="input mono"
            placeholder="double(event.data.record.total_amount) >= 10000.0"
            maxLength={2_000}
            value={draft.condition}
            onInput={(event) => onChange({ ...draft, condition: event.currentTarget.value })}
          />
        )}
      />
      <Choice
        label="Payload"
        value={draft.payload}
        choices={[
          ["full", "Full: with the record as it is now"],
          ["thin", "Thin: ids and a link"],
        ]}
        onChange={(payload) => onChange({ ...draft, payload })}
      />
      <Choice
        label="Order"
        value={draft.ordering}
        choices={[
          ["none", "As it comes"],
          ["record", "Record by record: the next waits for the one before"],
        ]}
        onChange={(ordering) => onChange({ ...draft, ordering })}
      />
      {isNew && (
        <Choice
          label="Signature"
          value={draft.signature}
          choices={[
            ["v1", "v1: HMAC, with a shared secret"],
            ["v1a", "v1a: Ed25519, the receiver needs a public key only"],
          ]}
          onChange={(signature) => onChange({ ...draft, signature })}
        />
      )}
      <label class="check-line">
        <input
          type="checkbox"
          checked={draft.echoes}
          onChange={(event) => onChange({ ...draft, echoes: event.currentTarget.checked })}
        />
        Also changes that a write through this relay caused
      </label>
      <Field
        label="Headers"
        hint={
          isNew
            ? "Name: value, one a line; sent with every delivery and never shown again."
            : "Name: value, one a line. Those that are there stay if nothing is written here, else these take their place."
        }
        wrong={badHeader === undefined ? wrongOf(problem, "#/headers") : `“${badHeader}” is no header`}
        control={(ids) => (
          <textarea
            {...ids}
            class="input mono"
            rows={2}
            placeholder="X-Api-Key: …"
            value={draft.headers}
            onInput={(event) => onChange({ ...draft, headers: event.currentTarget.value })}
          />
        )}
      />
    </>
  );
}

function Choice(props: {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, title: string])[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <Field
      label={props.label}
      control={(ids) => (
        <select
          {...ids}
          class="select"
          value={props.value}
          onChange={(event) => props.onChange(event.currentTarget.value)}
        >
          {props.choices.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      )}
    />
  );
}
