// What the form of an endpoint holds, and the request that it becomes.

export interface EndpointDraft {
  readonly name: string;
  readonly url: string;
  /** "": events of the whole workspace. Only of a new endpoint. */
  readonly connectionId: string;
  readonly types: ReadonlySet<string>;
  readonly condition: string;
  readonly payload: string;
  readonly ordering: string;
  readonly signature: string;
  /** Why record events came about that are sent. */
  readonly origins: ReadonlySet<string>;
  readonly echoes: boolean;
  /** Whole numbers as they are written; "": as the API does without them. */
  readonly atOnce: string;
  readonly perSecond: string;
  /** `Name: value`, one a line. */
  readonly headers: string;
}

/** As the API names them, with what they are. */
export const ORIGINS = [
  ["change", "changes at the plant"],
  ["snapshot", "a first reading, or all read anew"],
  ["reconcile", "what a comparison of keys found gone"],
  ["remap", "another mapping of the same rows"],
  ["backfill", "older records read later"],
] as const;
type Origin = (typeof ORIGINS)[number][0];

/** What the API takes. */
export const MAX_AT_ONCE = 64;
export const MAX_PER_SECOND = 1_000;

export interface EndpointSettings {
  readonly name: string;
  readonly url: string;
  readonly types: readonly string[];
  readonly condition: string | null;
  readonly payload: string;
  readonly ordering: string;
  readonly origins: readonly string[];
  readonly echoes: boolean;
  readonly at_once: number;
  readonly per_second: number | null;
}

export const NEW_DRAFT: EndpointDraft = {
  name: "",
  url: "",
  connectionId: "",
  types: new Set(["*"]),
  condition: "",
  payload: "full",
  ordering: "none",
  signature: "v1",
  origins: new Set(["change"]),
  echoes: true,
  atOnce: "4",
  perSecond: "",
  headers: "",
};

/** Headers are never shown again: empty lines leave those that are there. */
export function draftOf(
  endpoint: EndpointSettings & { readonly connection_id: string | null },
): EndpointDraft {
  const { name, url, condition, payload, ordering, echoes } = endpoint;
  return {
    ...NEW_DRAFT,
    name,
    url,
    payload,
    ordering,
    echoes,
    connectionId: endpoint.connection_id ?? "",
    origins: new Set(endpoint.origins),
    atOnce: String(endpoint.at_once),
    perSecond: endpoint.per_second === null ? "" : String(endpoint.per_second),
    types: new Set(endpoint.types),
    condition: condition ?? "",
  };
}

/** Of a new endpoint and of a change alike. @throws never: what is wrong is the API's to say, but see `isReady` */
export function bodyOf(draft: EndpointDraft) {
  const headers = headersOf(draft.headers);
  return {
    ...(draft.name.trim() !== "" && { name: draft.name.trim() }),
    url: draft.url.trim(),
    types: [...draft.types].toSorted(),
    condition: draft.condition.trim() === "" ? null : draft.condition.trim(),
    payload: draft.payload === "thin" ? ("thin" as const) : ("full" as const),
    ordering: draft.ordering === "record" ? ("record" as const) : ("none" as const),
    origins: ORIGINS.map(([origin]) => origin).filter((origin: Origin) => draft.origins.has(origin)),
    echoes: draft.echoes,
    ...(draft.atOnce.trim() !== "" && { at_once: Number(draft.atOnce) }),
    per_second: draft.perSecond.trim() === "" ? null : Number(draft.perSecond),
    ...(Object.keys(headers).length > 0 && { headers }),
  };
}

/** Whether it can be asked for. */
export function isReady(draft: EndpointDraft): boolean {
  return (
    draft.url.trim() !== "" &&
    draft.origins.size > 0 &&
    wrongHeader(draft.headers) === undefined &&
    wrongNumber(draft.atOnce, MAX_AT_ONCE) === undefined &&
    wrongNumber(draft.perSecond, MAX_PER_SECOND) === undefined
  );
}

/** What is wrong with a whole number from 1 to `max`; undefined when nothing is, or when nothing is written. */
export function wrongNumber(text: string, max: number): string | undefined {
  const own = text.trim();
  const isGood = own === "" || (/^\d+$/.test(own) && Number(own) >= 1 && Number(own) <= max);
  return isGood ? undefined : `A whole number from 1 to ${max.toLocaleString("en-US")}`;
}

/** Whether an endpoint with these types is told of one. */
export function isToldOf(types: readonly string[], type: string): boolean {
  return types.some((own) => own === "*" || own === type || own === `${type.split(".")[0]}.*`);
}

/** The first line that is no header; undefined when all of them are. */
export function wrongHeader(text: string): string | undefined {
  return linesOf(text).find((line) => !/^[^\s:]+:\s*\S/.test(line));
}

function headersOf(text: string): Record<string, string> {
  const pairs = linesOf(text).map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const;
  });
  return Object.fromEntries(pairs);
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

export interface TypeGroup {
  /** `purchase_order.*`, or the type itself where a group has only one. */
  readonly pattern: string;
  readonly types: readonly string[];
}

/** By what stands before the dot: each group can be asked for as a whole. */
export function groupTypes(types: readonly string[]): readonly TypeGroup[] {
  const groups = Map.groupBy(types, (type) => type.split(".")[0] ?? type);
  return [...groups].map(([name, own]) => ({ pattern: `${name}.*`, types: own }));
}

/** Ticks or unticks one; `*` and a group's pattern take the place of what they hold. Nothing left is everything. */
export function toggled(types: ReadonlySet<string>, type: string): ReadonlySet<string> {
  const next = new Set(types);
  if (next.delete(type)) return next.size === 0 ? new Set(["*"]) : next;
  if (type === "*") return new Set(["*"]);
  next.delete("*");
  const group = type.split(".")[0] ?? "";
  if (type.endsWith(".*")) for (const own of next) if (own.startsWith(`${group}.`)) next.delete(own);
  next.add(type);
  return next;
}
