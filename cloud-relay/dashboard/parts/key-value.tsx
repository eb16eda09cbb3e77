// Members of one thing, one below the other.
import type { ComponentChildren } from "preact";

export function KeyValue({
  items,
}: {
  readonly items: readonly (readonly [key: string, value: ComponentChildren])[];
}) {
  return (
    <dl class="key-value">
      {items.map(([key, value]) => (
        <>
          <dt key={key}>{key}</dt>
          <dd>{value ?? <span class="muted">–</span>}</dd>
        </>
      ))}
    </dl>
  );
}
