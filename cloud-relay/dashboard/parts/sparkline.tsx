// A line without axes: how a figure went.
import { sparklinePath } from "./sparkline-path.ts";

/** null where nothing is known: a gap in the line. */
export function Sparkline({
  values,
  label,
}: {
  readonly values: readonly (number | null)[];
  readonly label: string;
}) {
  return (
    <svg class="sparkline" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={sparklinePath(values, 100, 32)} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
