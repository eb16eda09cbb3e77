// The form of an endpoint: a new one, or the settings of one that is there.
import { useState } from "preact/hooks";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import type { ProblemView } from "../api/problem.ts";
import { useResource } from "../api/resource.ts";
import { AskDialog } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { toast } from "../parts/toast.tsx";
import { bodyOf, draftOf, isReady, NEW_DRAFT, type EndpointDraft } from "./webhook-draft.ts";
import { HowFast, HowSent, WhatElse, wrongOf, type PartProps } from "./webhook-form-parts.tsx";
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
  const isNew = endpoint === undefined;
  const send = async (): Promise<void> => {
    if (isNew) {
      onMade?.(await make(draft));
      return;
    }
    const params = { path: { id: endpoint.id } };
    const { name } = await unwrap(api.PATCH("/v1/webhook-endpoints/{id}", { params, body: bodyOf(draft) }));
    toast("good", `${name} is changed.`);
    onChanged?.();
    onClose();
  };
  return (
    <AskDialog
      title={isNew ? "Add an endpoint" : `Change ${endpoint.name}`}
      action={isNew ? "Add the endpoint" : "Save"}
      isReady={isReady(draft)}
      onAsk={send}
      onClose={onClose}
    >
      {(problem) => {
        const common = { draft, problem, isNew, onChange: setDraft };
        return (
          <>
            <Where {...common} />
            <What {...common} connections={connections} />
            <WhatElse {...common} />
            <HowSent {...common} />
            <HowFast {...common} />
          </>
        );
      }}
    </AskDialog>
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
        wrong={wrongOf(problem, "#/name")}
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

function What({ draft, onChange, isNew, connections }: PartProps & Pick<FormProps, "connections">) {
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
