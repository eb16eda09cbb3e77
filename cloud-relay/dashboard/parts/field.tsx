// A labelled field of a form, with a hint and what is wrong with it.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface FieldIds {
  readonly id: string;
  readonly "aria-describedby": string;
  readonly "aria-invalid": boolean;
}

/** `control` gets what ties it to its label. */
export function Field(props: {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly wrong?: string | undefined;
  readonly control: (ids: FieldIds) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label class="label" for={id}>
        {props.label}
      </label>
      {props.control({ id, "aria-describedby": `${id}-hint`, "aria-invalid": props.wrong !== undefined })}
      <div id={`${id}-hint`} class={props.wrong === undefined ? "hint" : "wrong"}>
        {props.wrong ?? props.hint}
      </div>
    </div>
  );
}
