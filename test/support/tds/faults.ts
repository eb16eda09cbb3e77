// What goes wrong on purpose: switches for the whole server and plans for single answers.
import type { DatabaseError } from "#test/support/sql-engine/session.ts";

export type Fault =
  /** Ends the connection after this many bytes of the answer, headers included; the request was carried out. */
  | { readonly kind: "disconnect"; readonly afterBytes: number }
  /** Ends the connection; the request was not carried out. */
  | { readonly kind: "drop_request" }
  /** Carried out, never answered. */
  | { readonly kind: "no_answer" }
  | { readonly kind: "slow"; readonly bytesEach: number; readonly pauseMs: number }
  /** A token that no client knows, before the first row or the end. */
  | { readonly kind: "malformed_token" }
  /** The message ends within a token: after `keepBytes` of its payload, or within its last token. */
  | { readonly kind: "truncated_token"; readonly keepBytes?: number }
  /** DONE alone, without columns and rows. */
  | { readonly kind: "no_rows" }
  | { readonly kind: "error_mid_rows"; readonly afterRows: number; readonly error: DatabaseError }
  /** In place of the answer; of severity 20 and more it ends the connection, as any such error does. */
  | { readonly kind: "error"; readonly error: DatabaseError };

export interface FaultScope {
  /**
   * Which answers: tried against the statement, `EXEC <procedure>`, `BEGIN|COMMIT|ROLLBACK TRANSACTION`, `PRELOGIN`, `LOGIN`.
   * Without it: any but those of a login and of the settings that a driver makes right behind it.
   */
  readonly matching?: RegExp;
  /** Default: 1. */
  readonly times?: number;
}

/** Answers that a plan without a pattern leaves alone. */
export const LOGIN_SUBJECTS = { prelogin: "PRELOGIN", login: "LOGIN", settings: "LOGIN SETTINGS" } as const;

export class TdsFaults {
  /** Requests to cancel get no answer and change nothing. */
  isIgnoringAttention = false;
  /** Nothing is read or written on any connection. What is lost meanwhile stays lost. */
  isHalfOpen = false;
  #plans: { readonly fault: Fault; readonly matching: RegExp | undefined; times: number }[] = [];

  plan(fault: Fault, scope: FaultScope = {}): void {
    this.#plans.push({ fault, matching: scope.matching, times: scope.times ?? 1 });
  }

  /** Plans that have not come to pass. */
  get planned(): number {
    return this.#plans.length;
  }

  clear(): void {
    this.#plans = [];
    this.isIgnoringAttention = false;
    this.isHalfOpen = false;
  }

  /** The fault for this answer, used up by it. */
  take(subject: string): Fault | undefined {
    const isLogin = Object.values<string>(LOGIN_SUBJECTS).includes(subject);
    const plan = this.#plans.find(({ matching }) => matching?.test(subject) ?? !isLogin);
    if (plan === undefined) return undefined;
    plan.times -= 1;
    if (plan.times <= 0) this.#plans = this.#plans.filter((candidate) => candidate !== plan);
    return plan.fault;
  }
}
