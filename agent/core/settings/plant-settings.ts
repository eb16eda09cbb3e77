// What the relay wishes of connections: judged by their rooms, kept, in effect on trial, and taken back when it does not work out.
import type {
  ConnectionSettingsDocument,
  DesiredSettings,
  ReportedSettings,
} from "#common/contract/settings.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { SettingsProblem } from "./judge.ts";
import { emptyKept, readKept, type KeptSettings, type Revision } from "./kept-settings.ts";
import { SettingsTrial } from "./settings-trial.ts";

/** A source that could not be asked is asked again after this. */
const JUDGE_AGAIN_MS = 60_000;
/** As JSON, characters. */
const MAX_DOCUMENT_LENGTH = 256 * 1024;
/** An agent that ends so often during one trial does so because of it. */
const MAX_TRIAL_STARTS = 3;

export interface PlantSettingsDeps {
  readonly clock: Clock;
  /** Durable text by connection. `keep` is false when it could not be written. */
  readonly facts: {
    read(connectionId: string): string | undefined;
    keep(connectionId: string, text: string): boolean;
  };
  /** Has the room judge it, which answers by `judged`; false: there is no room that could. */
  readonly judge: (connectionId: string, revision: number, document: unknown) => boolean;
  /** Starts the room anew with what is in effect, if that differs from what it has. */
  readonly restart: (connectionId: string) => void;
  /** To the relay, if it is there; `welcomed` says everything again. */
  readonly report: (reported: ReportedSettings) => void;
  readonly isOnline: () => boolean;
  readonly note: (connectionId: string, level: "info" | "warn", message: string) => void;
}

export class PlantSettings {
  readonly #deps: PlantSettingsDeps;
  readonly #kept = new Map<string, KeptSettings>();
  readonly #waiting = new Map<string, { readonly wish: Revision; cancel: () => void }>();
  readonly #trials = new Map<string, SettingsTrial>();
  /** Connections whose source is open. */
  readonly #open = new Set<string>();

  constructor(deps: PlantSettingsDeps) {
    this.#deps = deps;
  }

  /** What the room of the connection is to be started with; undefined: the plant's own file alone. */
  inEffect(connectionId: string): ConnectionSettingsDocument | undefined {
    return this.#of(connectionId).inEffect?.document;
  }

  /** The agent has just started: trials that its end cut short begin anew. Before any room is started. */
  resume(connectionId: string): void {
    const kept = this.#of(connectionId);
    if (kept.trialStarts === undefined) return;
    const trialStarts = kept.trialStarts + 1;
    if (trialStarts > MAX_TRIAL_STARTS) {
      this.#revert(connectionId, `the agent has ended ${MAX_TRIAL_STARTS} times with these settings`);
      return;
    }
    this.#keep(connectionId, { ...kept, trialStarts });
    this.#try(connectionId, { couldReach: true, couldRead: true, isRestarted: true });
  }

  stop(): void {
    for (const { cancel } of this.#waiting.values()) cancel();
    for (const trial of this.#trials.values()) trial.end();
  }

  desired({ connection_id: id, revision, document }: DesiredSettings): void {
    const { reported, judged } = this.#of(id);
    const text = JSON.stringify(document);
    if (reported?.revision === revision && judged === text) {
      this.#deps.report(reported);
      return;
    }
    this.#waiting.get(id)?.cancel();
    // Judged by the room; until then it is a foreign value.
    const wish = { revision, document: document as ConnectionSettingsDocument };
    this.#waiting.set(id, { wish, cancel: () => {} });
    if (text.length > MAX_DOCUMENT_LENGTH) {
      const detail = `the document has ${text.length} characters; most is ${MAX_DOCUMENT_LENGTH}`;
      this.judged(id, revision, [{ pointer: "", detail }]);
    } else this.#ask(id);
  }

  /** A session began. */
  welcomed(): void {
    for (const { reported } of this.#kept.values()) if (reported !== undefined) this.#deps.report(reported);
    for (const trial of this.#trials.values()) trial.relayReached();
  }

  /** What the room says of it; undefined: its source cannot be asked now. */
  judged(id: string, revision: number, problems: readonly SettingsProblem[] | undefined): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || waiting.wish.revision !== revision) return;
    if (problems === undefined) {
      waiting.cancel();
      waiting.cancel = this.#deps.clock.setTimer(JUDGE_AGAIN_MS, () => this.#ask(id));
      return;
    }
    waiting.cancel();
    this.#waiting.delete(id);
    if (problems.length === 0) this.#apply(id, waiting.wish);
    else this.#refuse(id, waiting.wish, problems);
  }

  /** The plant's own file or pack has changed, and what is in effect does not go with it any more. */
  outdated(id: string, problems: readonly SettingsProblem[]): void {
    const { inEffect } = this.#of(id);
    if (inEffect === undefined) return;
    this.#trials.get(id)?.end();
    this.#trials.delete(id);
    this.#settle(
      id,
      { ...emptyKept, judged: JSON.stringify(inEffect.document) },
      "refused",
      inEffect,
      problems,
    );
    this.#deps.restart(id);
    this.#deps.note(id, "warn", "the settings from the relay do not fit the plant's own file any more");
  }

  /** The room has opened its source. */
  sourceOpened(id: string): void {
    this.#open.add(id);
    this.#trials.get(id)?.sourceOpened();
    if (this.#waiting.has(id)) this.#ask(id);
  }

  /** Rows of the connection that became records, and that could not. */
  mapped(id: string, accepted: number, rejected: number): void {
    this.#trials.get(id)?.mapped(accepted, rejected);
  }

  roomEnded(id: string, detail: string, isMisconfigured: boolean): void {
    this.#open.delete(id);
    this.#trials.get(id)?.roomEnded(detail, isMisconfigured);
  }

  #ask(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { revision, document } = waiting.wish;
    // No room: asked when its source is open.
    this.#deps.judge(id, revision, document);
  }

  #refuse(id: string, wish: Revision, problems: readonly SettingsProblem[]): void {
    const kept = this.#of(id);
    this.#settle(id, { ...kept, judged: JSON.stringify(wish.document) }, "refused", wish, problems);
    const [first] = problems;
    this.#deps.note(
      id,
      "warn",
      `settings ${wish.revision} from the relay are refused: ${first?.pointer ?? ""} ${first?.detail ?? ""}`,
    );
  }

  #apply(id: string, wish: Revision): void {
    const kept = this.#of(id);
    const judged = JSON.stringify(wish.document);
    if (judged === JSON.stringify(kept.inEffect?.document ?? {})) {
      // Nothing to try: only the number is new.
      this.#settle(id, { ...kept, inEffect: wish, judged }, "applied", wish, []);
      return;
    }
    const earlier = this.#trials.get(id);
    earlier?.end();
    // What has not stood its trial is nothing to go back to.
    const before = earlier === undefined ? kept.inEffect : kept.before;
    const next: KeptSettings = { inEffect: wish, before, trialStarts: 0, judged };
    const couldRead = this.#open.has(id) || earlier?.couldRead === true;
    if (!this.#settle(id, next, "applied", wish, [])) return;
    this.#try(id, { couldReach: this.#deps.isOnline(), couldRead, isRestarted: false });
    this.#deps.restart(id);
    this.#deps.note(id, "info", `settings ${wish.revision} from the relay are in effect`);
  }

  #try(
    id: string,
    facts: { readonly couldReach: boolean; readonly couldRead: boolean; readonly isRestarted: boolean },
  ): void {
    const { clock, isOnline } = this.#deps;
    const trial = new SettingsTrial({
      clock,
      isOnline,
      ...facts,
      passed: () => {
        this.#trials.delete(id);
        const { trialStarts: _, ...rest } = this.#of(id);
        this.#keep(id, rest);
      },
      failed: (reason) => this.#revert(id, reason),
    });
    this.#trials.set(id, trial);
  }

  #revert(id: string, reason: string): void {
    this.#trials.delete(id);
    const { inEffect: failed, before, judged } = this.#of(id);
    if (failed === undefined) return;
    const problems = [{ pointer: "", detail: reason }];
    this.#settle(id, { inEffect: before, judged }, "reverted", failed, problems);
    this.#deps.restart(id);
    this.#deps.note(id, "warn", `settings ${failed.revision} from the relay are taken back: ${reason}`);
  }

  /** False when it could not be kept: then nothing of it holds, but for what is taken back. */
  #settle(
    id: string,
    next: KeptSettings,
    state: ReportedSettings["state"],
    { revision }: Revision,
    problems: readonly SettingsProblem[],
  ): boolean {
    const reported: ReportedSettings = {
      type: "reported_settings",
      connection_id: id,
      revision,
      state,
      in_effect: next.inEffect?.revision ?? 0,
      ...(problems.length === 0 ? {} : { problems: [...problems] }),
    };
    const isKept = this.#keep(id, { ...next, reported }, state === "reverted");
    if (isKept) this.#deps.report(reported);
    else
      this.#deps.note(
        id,
        "warn",
        `settings ${revision} from the relay could not be written down; the disk is full`,
      );
    return isKept;
  }

  #keep(id: string, kept: KeptSettings, isForced = false): boolean {
    const isKept = this.#deps.facts.keep(id, JSON.stringify(kept));
    if (isKept || isForced) this.#kept.set(id, kept);
    return isKept;
  }

  #of(id: string): KeptSettings {
    const known = this.#kept.get(id) ?? readKept(this.#deps.facts.read(id));
    this.#kept.set(id, known);
    return known;
  }
}
