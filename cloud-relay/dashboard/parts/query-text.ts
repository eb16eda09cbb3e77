// The part of an address behind `?`, where every filter of every screen lives.

/** undefined or empty takes a parameter out. Returns "" or `?…`, parameters in the order they came. */
export function changedQuery(search: string, changes: Readonly<Record<string, string | undefined>>): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes))
    if (value === undefined || value === "") params.delete(name);
    else params.set(name, value);
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/** Every word of the search is somewhere in one of the texts, whatever the case. */
export function matchesSearch(search: string, texts: readonly (string | null | undefined)[]): boolean {
  const whole = texts
    .filter((text) => text != null)
    .join("\n")
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word));
}
