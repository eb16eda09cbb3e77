// Which event types an endpoint is told of: all, whole groups, or one by one, from the API's own catalogue.
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import type { Schema } from "../api/client.ts";
import { matchesSearch } from "../parts/query-text.ts";
import { groupTypes, toggled } from "./webhook-draft.ts";

/** `all`: undefined while it is fetched. */
export function TypePicker(props: {
  readonly all: readonly Schema<"WebhookEventType">[] | undefined;
  readonly chosen: ReadonlySet<string>;
  readonly onChange: (types: ReadonlySet<string>) => void;
}) {
  const { all = [], chosen, onChange } = props;
  const [search, setSearch] = useState("");
  const descriptions = new Map(all.map(({ type, description }) => [type, description]));
  const found = all.filter(({ type, description }) => matchesSearch(search, [type, description]));
  // What `*` holds stays open: the first that is ticked takes its place.
  const check = (type: string, isPart: boolean, isHeld: boolean, text: string) => (
    <label class="check" key={type} data-part={isPart ? "" : undefined}>
      <input
        type="checkbox"
        checked={chosen.has(type) || isHeld}
        disabled={isHeld}
        onChange={() => onChange(toggled(chosen, type))}
      />
      <span>
        <code>{type}</code> <span class="muted">{text}</span>
      </span>
    </label>
  );
  return (
    <fieldset class="field plain">
      <legend class="label">Event types</legend>
      <input
        class="input"
        type="text"
        placeholder="Find a type"
        aria-label="Find a type"
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      <div class="checks">
        {check("*", false, false, "everything but news of webhooks themselves")}
        {groupTypes(found.map(({ type }) => type)).map(({ pattern, types }) => (
          <Fragment key={pattern}>
            {check(pattern, false, false, "all of these")}
            {types.map((type) => check(type, true, chosen.has(pattern), descriptions.get(type) ?? ""))}
          </Fragment>
        ))}
      </div>
    </fieldset>
  );
}
