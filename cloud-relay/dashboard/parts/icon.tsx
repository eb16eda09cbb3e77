// An icon; always beside a word or with a name of its own.
import { ICON_PATHS, type IconName } from "./icon-paths.ts";

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={ICON_PATHS[name]} />
    </svg>
  );
}
