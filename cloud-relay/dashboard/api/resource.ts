// Something fetched for a screen: what was there before shows at once, and events of the feed fetch it anew.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { onEvents } from "./live.ts";
import { problemOf, type ProblemView } from "./problem.ts";

export interface Resource<T> {
  /** What came last, also while it is fetched anew. */
  readonly data: T | undefined;
  /** Why the last try failed; `data` may still be what came before. */
  readonly problem: ProblemView | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

export interface ResourceOptions {
  /** Types of events after which it is fetched anew, such as `connection.online`. */
  readonly on?: readonly string[];
  /** Besides, as long as somebody looks. */
  readonly everyMs?: number;
}

/** What screens showed last, by key, so that going back shows something at once. */
const KEPT_RESOURCES = 100;
/** Many events are one reason to look again. */
const GATHER_MS = 400;
const kept = new Map<string, unknown>();

/** When somebody else signs in. */
export function clearKept(): void {
  kept.clear();
}

/** `key` names what is loaded, with its parameters: another key is another resource. */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  { on, everyMs }: ResourceOptions = {},
): Resource<T> {
  const [state, setState] = useState<State<T>>(() => ({ key, data: kept.get(key) as T | undefined }));
  const [tries, setTries] = useState(0);
  const current = useRef(load);
  current.current = load;

  useEffect(() => {
    const gone = new AbortController();
    setState((before) =>
      before.key === key
        ? { ...before, isLoading: true }
        : { key, data: kept.get(key) as T | undefined, isLoading: true },
    );
    const look = async (): Promise<void> => {
      try {
        const data = await current.current(gone.signal);
        if (gone.signal.aborted) return;
        keep(key, data);
        setState({ key, data });
      } catch (error) {
        if (gone.signal.aborted) return;
        setState((before) => ({ key, data: before.data, problem: problemOf(error) }));
      }
    };
    void look();
    return () => gone.abort();
  }, [key, tries]);

  const reload = useCallback(() => setTries((count) => count + 1), []);
  useEffect(() => (on === undefined ? undefined : onEvents(on, gathered(reload))), [on?.join(), reload]);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, reload]);

  const isOwn = state.key === key;
  return {
    data: isOwn ? state.data : (kept.get(key) as T | undefined),
    problem: isOwn ? state.problem : undefined,
    isLoading: !isOwn || (state.isLoading ?? (state.data === undefined && state.problem === undefined)),
    reload,
  };
}

interface State<T> {
  readonly key: string;
  readonly data?: T | undefined;
  readonly problem?: ProblemView;
  readonly isLoading?: boolean;
}

function keep(key: string, data: unknown): void {
  kept.delete(key);
  kept.set(key, data);
  const oldest = kept.keys().next();
  if (kept.size > KEPT_RESOURCES && oldest.done !== true) kept.delete(oldest.value);
}

function gathered(reload: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      reload();
    }, GATHER_MS);
  };
}
