// A state in one word.
import type { ComponentChildren } from "preact";
import { Icon } from "./icon.tsx";
import type { IconName } from "./icon-paths.ts";
import { statusLook, type Tone } from "./status.ts";

export function Badge(props: {
  readonly tone?: Tone;
  readonly icon?: IconName;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}) {
  return (
    <span class="badge" data-tone={props.tone ?? "idle"} title={props.title}>
      {props.icon !== undefined && <Icon name={props.icon} />}
      {props.children}
    </span>
  );
}

/** Of a connection, an agent or whatever else the API gives a `status`. */
export function StatusBadge(props: { readonly status: string; readonly title?: string | undefined }) {
  const { label, tone, icon } = statusLook(props.status);
  return (
    <Badge tone={tone} icon={icon} title={props.title}>
      {label}
    </Badge>
  );
}
