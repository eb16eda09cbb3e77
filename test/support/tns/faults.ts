// What the server can be told to do wrong: once or always, at a call, at login, or to all sessions at once.
import type { OracleError } from "./answers.ts";
import type { VerifierKind } from "./verifier.ts";

export type CallName = "login" | "execute" | "fetch" | "lob" | "commit" | "rollback" | "ping" | "logOff";

export type CallFault =
  /** An error of the database instead of the call. */
  | { readonly kind: "error"; readonly error: OracleError }
  /** Waits before the call is carried out; a cancel of the client ends the wait. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The connection is cut instead of the call. */
  | { readonly kind: "drop" }
  /** The call is carried out; so many bytes of its answer (packet headers counted) go out before the connection is cut. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** The call is carried out, its answer never comes, and the connection stays open. */
  | { readonly kind: "silence" }
  /** A message of nonsense in a sound packet, or bytes that are no packet, instead of the answer. */
  | { readonly kind: "garbage"; readonly as: "message" | "packet" };

export interface FaultPlace {
  /** Default: any call but login. */
  readonly call?: CallName;
  /** The text of the statement that is executed or fetched from must match. */
  readonly statement?: RegExp;
  /** Matching calls that are left alone first. Default: 0. */
  readonly skip?: number;
  /** How often it happens. Default: 1. */
  readonly times?: number;
}

interface Plan {
  readonly fault: CallFault;
  readonly place: FaultPlace;
  skipped: number;
  done: number;
}

export class TnsFaults {
  /** The listener refuses every connect with this code (12514, 12505, 12528, …). */
  refuseWith: number | undefined;
  /** Every login fails with it after the password was checked: 1017, 28000 (locked), 28001 (expired), …. */
  loginError: OracleError | undefined;
  /** Every login succeeds with it: 28002 (password will expire). */
  loginWarning: OracleError | undefined;
  /** What kind of password verifier is offered; clients in pure JavaScript refuse 10g. */
  verifier: VerifierKind = "11g";
  /** 315 is Oracle 12.1; 314 and less is 11.2, which thin clients refuse. */
  protocolVersion = 315;
  /** As with SQLNET.ENCRYPTION_SERVER = REQUIRED: a negotiation that fails with ORA-12660, or a cut line. */
  nativeEncryption: "off" | "negotiated" | "dropped" = "off";
  /** Half-open: nothing is answered, read or closed any more, on new connections too. */
  isSilent = false;
  /** A client that cancels gets no answer. */
  doesIgnoreBreaks = false;
  readonly #plans: Plan[] = [];
  readonly #kill: (error: OracleError | undefined) => number;

  /** @param kill ends all sessions and says how many */
  constructor(kill: (error: OracleError | undefined) => number) {
    this.#kill = kill;
  }

  /** Plans are looked at in their order; several can strike one call. */
  plan(fault: CallFault, place: FaultPlace = {}): void {
    this.#plans.push({ fault, place, skipped: 0, done: 0 });
  }

  /** `plan` for an error. */
  fail(number: number, text: string, place: FaultPlace = {}): void {
    this.plan({ kind: "error", error: { number, text } }, place);
  }

  /** Plans that have not struck as often as they should. */
  get planned(): number {
    return this.#plans.length;
  }

  /** Takes back all plans and switches. */
  clear(): void {
    this.#plans.length = 0;
    this.refuseWith = undefined;
    this.loginError = undefined;
    this.loginWarning = undefined;
    this.verifier = "11g";
    this.protocolVersion = 315;
    this.nativeEncryption = "off";
    this.isSilent = false;
    this.doesIgnoreBreaks = false;
  }

  /**
   * Ends every session; returns how many. What runs is aborted, and the next answer of each is the error (ORA-00028 by
   * default), after which the connection closes.
   */
  killSessions(error: OracleError = { number: 28, text: "your session has been killed" }): number {
    return this.#kill(error);
  }

  /** Cuts every connection at once, as a server does that goes down; returns how many. */
  cutConnections(): number {
    return this.#kill(undefined);
  }

  /** For the server: what is planned for a call that begins now. */
  take(call: CallName, statement: string | undefined): readonly CallFault[] {
    const struck: CallFault[] = [];
    for (const plan of this.#plans.filter(({ place }) => matches(place, call, statement))) {
      if (plan.skipped < (plan.place.skip ?? 0)) {
        plan.skipped += 1;
        continue;
      }
      struck.push(plan.fault);
      plan.done += 1;
      if (plan.done >= (plan.place.times ?? 1)) this.#plans.splice(this.#plans.indexOf(plan), 1);
    }
    return struck;
  }
}

function matches(place: FaultPlace, call: CallName, statement: string | undefined): boolean {
  if (place.call === undefined ? call === "login" || call === "logOff" : place.call !== call) return false;
  return place.statement === undefined || (statement !== undefined && place.statement.test(statement));
}
