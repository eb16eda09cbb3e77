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
  readonly echoes: boolean;
  /** `Name: value`, one a line. */
  readonly headers: string;
}

export interface EndpointSettings {
  readonly name: string;
  readonly url: string;
  readonly types: readonly string[];
  readonly condition: string | null;
  readonly payload: string;
  readonly ordering: string;
  readonly echoes: boolean;
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
  echoes: true,
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
    types: new Set(endpoint.types),
    condition: condition ?? "",
  };
}

/** Of a new endpoint and of a change alike. @throws never: what is wrong is the API's to say, but see `wrongHeader` */
export function bodyOf(draft: EndpointDraft) {
  const headers = headersOf(draft.headers);
  return {
    ...(draft.name.trim() !== "" && { name: draft.name.trim() }),
    url: draft.url.trim(),
    types: [...draft.types].toSorted(),
    condition: draft.condition.trim() === "" ? null : draft.condition.trim(),
    payload: draft.payload === "thin" ? ("thin" as const) : ("full" as const),
    ordering: draft.ordering === "record" ? ("record" as const) : ("none" as const),
    echoes: draft.echoes,
    ...(Object.keys(headers).length > 0 && { headers }),
  };
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
