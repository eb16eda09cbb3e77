// Filters that a list's address holds besides words and choices: from when on, and a text of its own.
import { useQuery } from "./query.ts";
import { exactTime } from "./text.ts";

const MINUTE_MS = 60_000;
const PERIODS: readonly (readonly [ms: number, title: string])[] = [
  [15 * MINUTE_MS, "Last 15 minutes"],
  [60 * MINUTE_MS, "Last hour"],
  [24 * 60 * MINUTE_MS, "Last 24 hours"],
  [7 * 24 * 60 * MINUTE_MS, "Last 7 days"],
];

/** The address holds the instant itself: pages stay pages of one list, and a link shows the same to others. */
export function PeriodFilter({ name, all }: { readonly name: string; readonly all: string }) {
  const query = useQuery();
  const value = query.get(name);
  const pick = (text: string): void => {
    const ms = Number(text);
    query.set({ [name]: ms > 0 ? instantBefore(ms) : text });
  };
  return (
    <select
      class="select"
      aria-label={all}
      value={value}
      onChange={(event) => pick(event.currentTarget.value)}
    >
      <option value="">{all}</option>
      {value !== "" && <option value={value}>Since {sinceText(value)}</option>}
      {PERIODS.map(([ms, title]) => (
        <option key={ms} value={String(ms)}>
          {title}
        </option>
      ))}
    </select>
  );
}

/** A word of its own beside the search. */
export function TextFilter({ name, label }: { readonly name: string; readonly label: string }) {
  const query = useQuery();
  return (
    <input
      class="input text-filter"
      type="text"
      placeholder={label}
      aria-label={label}
      value={query.get(name)}
      onInput={(event) => query.set({ [name]: event.currentTarget.value.trim() })}
    />
  );
}

function instantBefore(ms: number): string {
  return new Date(Math.floor((Date.now() - ms) / MINUTE_MS) * MINUTE_MS).toISOString();
}

function sinceText(instant: string): string {
  const atMs = Date.parse(instant);
  return Number.isNaN(atMs) ? instant : exactTime(atMs);
}
