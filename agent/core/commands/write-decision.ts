// What the plant's file says to one write: refused, and why; done at once; held for approval; or done in its hours.
import type { WriteBody } from "#common/contract/commands.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { PassCalendar } from "../load/pass-calendar.ts";
import { CommandFailed } from "./command-failure.ts";
import { writeRule, type PlantPolicy, type WriteRule } from "./plant-policy.ts";

export type WriteDecision =
  | { readonly verdict: "apply" }
  | { readonly verdict: "hold" }
  /** ms until its hours begin, and when that is, for people. */
  | { readonly verdict: "wait"; readonly inMs: number; readonly opens: string }
  | { readonly verdict: "refuse"; readonly failure: CommandFailed };

export interface DecisionInput {
  readonly policy: PlantPolicy;
  /** IANA zone of the windows. */
  readonly timeZone: string;
  readonly nowMs: number;
  /** What remains of its time to begin, ms. */
  readonly ttlMs: number;
  readonly isApproved: boolean;
}

/** A dry run changes nothing: whatever is not refused is tried at once. */
export function decideWrite(body: WriteBody, input: DecisionInput): WriteDecision {
  const { entity, operation, dry_run: isDry = false } = body;
  const rule = writeRule(input.policy, entity, operation);
  if (rule === undefined || rule.mode === "refuse") return refuse(refusal(body, rule, input.policy));
  if (input.ttlMs <= 0) return refuse(new CommandFailed("EXPIRED", "its time to live ended before it began"));
  if (isDry) return { verdict: "apply" };
  if (rule.mode === "hold" && !input.isApproved) return { verdict: "hold" };
  const calendar = new PassCalendar(rule.windows, input.timeZone);
  const inMs = calendar.opensInMs(input.nowMs);
  if (inMs <= 0) return { verdict: "apply" };
  const opens = calendar.opensAtText(input.nowMs);
  if (inMs < input.ttlMs) return { verdict: "wait", inMs, opens };
  const detail = `${entity}.${operation} is done only in its hours, which begin at ${opens}, after its time to live`;
  return refuse(new CommandFailed("EXPIRED", detail));
}

function refuse(failure: CommandFailed): WriteDecision {
  return { verdict: "refuse", failure };
}

function refusal(
  { entity, operation }: WriteBody,
  rule: WriteRule | undefined,
  policy: PlantPolicy,
): CommandFailed {
  const label = `${entity}.${operation}`;
  if (rule !== undefined) {
    const why = rule.reason === undefined ? "" : `: ${rule.reason}`;
    return new CommandFailed("NOT_ALLOWED", `the plant refuses ${label}${why}`);
  }
  const allowed = Object.entries(policy.writes).flatMap(([name, rules]) =>
    Object.keys(rules).map((each) => `${name}.${each}`),
  );
  return new CommandFailed(
    "NOT_ALLOWED",
    `the plant does not allow ${label} on this connection${didYouMean(label, allowed)} (allow.writes)`,
  );
}
