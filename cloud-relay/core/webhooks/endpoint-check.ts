// What an endpoint may look like: every wrong member of what somebody asks for, at once.
import { messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { Origin } from "#common/contract/entry.ts";
import { invalidRequest } from "../administration.ts";
import type { ProblemIssue } from "../problem.ts";
import type { EndpointRow, EndpointTransport } from "./endpoint.ts";
import { isTypePattern, typePatterns } from "./event-types.ts";
import type { Conditions, Sender } from "./sender.ts";

/** What can be set; absent members stay, or take what is usual. */
export interface EndpointSettings {
  readonly name?: string;
  readonly url?: string;
  readonly types?: readonly string[];
  readonly origins?: readonly Origin[];
  readonly echoes?: boolean;
  /** null: none. */
  readonly condition?: string | null;
  readonly payload?: EndpointRow["payload"];
  readonly ordering?: EndpointRow["ordering"];
  /** null: no limit of its own. */
  readonly perSecond?: number | null;
  readonly atOnce?: number;
  /** All of them, by name; they take the place of those before. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EndpointCheckDeps {
  readonly senders: Partial<Readonly<Record<EndpointTransport, Sender>>>;
  readonly conditions: Conditions;
}

export const ENDPOINT_LIMITS = {
  nameChars: 100,
  urlChars: 2_000,
  types: 100,
  conditionChars: 2_000,
  perSecond: 1_000,
  atOnce: 64,
  headers: 20,
  headerChars: 1_000,
} as const;

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Visible characters, spaces between them. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const RESERVED_PREFIX = /^(?:webhook-|content-|proxy-|sec-)/;
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "cookie",
  "date",
  "expect",
  "host",
  "keep-alive",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "via",
]);

/** `customEntities`: what the workspace's connections offer beyond the model. @throws Problem INVALID_REQUEST */
export function checkSettings(
  deps: EndpointCheckDeps,
  settings: EndpointSettings,
  transport: EndpointTransport,
  customEntities: ReadonlySet<string>,
): void {
  const { name, url, types, origins, condition, perSecond, atOnce, headers } = settings;
  const issues: ProblemIssue[] = [];
  const wrong = (member: string, detail: string): void =>
    void issues.push({ pointer: `#/${member}`, detail });
  const limits = ENDPOINT_LIMITS;
  if (name !== undefined && (name.trim() === "" || name.length > limits.nameChars))
    wrong("name", `must have 1 to ${limits.nameChars} characters`);
  if (url !== undefined && transport === "http") {
    const refusal =
      url.length > limits.urlChars
        ? `has more than ${limits.urlChars} characters`
        : deps.senders.http?.refusal(url);
    if (refusal !== undefined) wrong("url", refusal);
  }
  if (types !== undefined) checkTypes(types, customEntities, wrong);
  if (origins?.length === 0) wrong("origins", "must name at least one; `change` is the usual one");
  if (typeof condition === "string") checkCondition(deps.conditions, condition, wrong);
  if (typeof perSecond === "number" && !isWithin(perSecond, limits.perSecond))
    wrong("per_second", `must be a whole number from 1 to ${limits.perSecond}, or null`);
  if (atOnce !== undefined && !isWithin(atOnce, limits.atOnce))
    wrong("at_once", `must be a whole number from 1 to ${limits.atOnce}`);
  if (headers !== undefined) checkHeaders(headers, wrong);
  if (issues.length > 0) throw invalidRequest("The endpoint cannot be like this", issues);
}

type Wrong = (member: string, detail: string) => void;

function checkTypes(types: readonly string[], customEntities: ReadonlySet<string>, wrong: Wrong): void {
  if (types.length === 0 || types.length > ENDPOINT_LIMITS.types)
    wrong("types", `must name 1 to ${ENDPOINT_LIMITS.types} types; \`*\` stands for all`);
  for (const [index, type] of types.entries()) {
    if (isTypePattern(type, customEntities)) continue;
    const hint = didYouMean(type, typePatterns());
    wrong(
      `types/${index}`,
      `"${type.slice(0, 100)}" is no event type${hint}; GET /v1/webhook-event-types lists them`,
    );
  }
}

function checkCondition(conditions: Conditions, condition: string, wrong: Wrong): void {
  if (condition.trim() === "" || condition.length > ENDPOINT_LIMITS.conditionChars) {
    wrong("condition", `must have 1 to ${ENDPOINT_LIMITS.conditionChars} characters, or be null`);
    return;
  }
  try {
    conditions.compile(condition);
  } catch (error) {
    wrong("condition", messageOf(error));
  }
}

function checkHeaders(headers: Readonly<Record<string, string>>, wrong: Wrong): void {
  const entries = Object.entries(headers);
  if (entries.length > ENDPOINT_LIMITS.headers)
    wrong("headers", `may be ${ENDPOINT_LIMITS.headers} at the most`);
  const names = new Set<string>();
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    const member = `headers/${name.slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (!HEADER_NAME.test(name)) wrong(member, "is no header's name");
    else if (RESERVED_PREFIX.test(lower) || RESERVED_HEADERS.has(lower)) wrong(member, "is set by the relay");
    else if (names.has(lower)) wrong(member, "is there twice");
    if (value.length > ENDPOINT_LIMITS.headerChars || !HEADER_VALUE.test(value))
      wrong(member, `must be 1 to ${ENDPOINT_LIMITS.headerChars} visible ASCII characters`);
    names.add(lower);
  }
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}
