// The form of an endpoint, from its condition on: which events are left out, how they are sent, how many at once.
import type { ProblemView } from "../api/problem.ts";
import { Field } from "../parts/field.tsx";
import {
  MAX_AT_ONCE,
  MAX_PER_SECOND,
  ORIGINS,
  wrongHeader,
  wrongNumber,
  type EndpointDraft,
} from "./webhook-draft.ts";

export interface PartProps {
  readonly draft: EndpointDraft;
  /** Of the last try. */
  readonly problem: ProblemView | undefined;
  readonly isNew: boolean;
  readonly onChange: (draft: EndpointDraft) => void;
}

/** What the API says of the member that `pointer` names. */
export function wrongOf(problem: ProblemView | undefined, pointer: string): string | undefined {
  return problem?.issues.find((issue) => issue.pointer.startsWith(pointer))?.detail;
}

/** Which events of the chosen types are left out. */
export function WhatElse({ draft, onChange, problem }: PartProps) {
  const toggle = (origin: string): void => {
    const origins = new Set(draft.origins);
    if (!origins.delete(origin)) origins.add(origin);
    onChange({ ...draft, origins });
  };
  return (
    <>
      <fieldset class="field plain">
        <legend class="label">Records' events that come of</legend>
        {ORIGINS.map(([origin, text]) => (
          <label class="check-line" key={origin}>
            <input type="checkbox" checked={draft.origins.has(origin)} onChange={() => toggle(origin)} />
            <span>
              <code>{origin}</code> <span class="muted">{text}</span>
            </span>
          </label>
        ))}
        <label class="check-line">
          <input
            type="checkbox"
            checked={draft.echoes}
            onChange={(event) => onChange({ ...draft, echoes: event.currentTarget.checked })}
          />
          <span>
            Also echoes <span class="muted">changes that a write through this relay caused</span>
          </span>
        </label>
        <div class={draft.origins.size === 0 ? "wrong" : "hint"}>
          {draft.origins.size === 0
            ? "Choose at least one"
            : "With changes alone, a first reading or a new mapping is no storm."}
        </div>
      </fieldset>
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
    </>
  );
}

export function HowSent({ draft, onChange, isNew, problem }: PartProps) {
  const badHeader = wrongHeader(draft.headers);
  return (
    <>
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

export function HowFast({ draft, onChange, problem }: PartProps) {
  return (
    <div class="fields-row">
      <Field
        label="At once"
        hint="Deliveries under way, at most"
        wrong={wrongNumber(draft.atOnce, MAX_AT_ONCE) ?? wrongOf(problem, "#/at_once")}
        control={(ids) => (
          <input
            {...ids}
            class="input"
            inputMode="numeric"
            placeholder="4"
            value={draft.atOnce}
            onInput={(event) => onChange({ ...draft, atOnce: event.currentTarget.value })}
          />
        )}
      />
      <Field
        label="A second"
        hint="Deliveries, at most. Empty: no limit of its own"
        wrong={wrongNumber(draft.perSecond, MAX_PER_SECOND) ?? wrongOf(problem, "#/per_second")}
        control={(ids) => (
          <input
            {...ids}
            class="input"
            inputMode="numeric"
            value={draft.perSecond}
            onInput={(event) => onChange({ ...draft, perSecond: event.currentTarget.value })}
          />
        )}
      />
    </div>
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
