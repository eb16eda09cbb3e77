// Writes and method calls of one connection: what the plant's settings name, one at a time for each node, never kept for later.
import type { SourceRow } from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { asConnectorError } from "./failures.ts";
import { callMethod, describeMethod } from "./method-caller.ts";
import { writePoint } from "./point-writer.ts";
import type { Point } from "./points.ts";
import type { OpcUaSettings } from "./settings.ts";
import { givenValue, notJson, rejected } from "./write-outcomes.ts";
import { UPDATE, isCallableOn, type MethodSettings, type PointWriteSettings } from "./write-settings.ts";
import { describeTargets } from "./write-target.ts";

const ENTITY = "telemetry_point";
/** Problems that are told one by one. */
const MAX_TOLD = 10;
/** Writes that are under way or wait for their turn; more are turned away. */
const MAX_AT_ONCE = 50;

export interface WriterDeps {
  readonly settings: OpcUaSettings;
  readonly points: readonly Point[];
  readonly clock: Clock;
  /** The one that stands now; it changes with each repair. */
  readonly connection: () => Connection;
  readonly rowOf: (point: Point) => SourceRow;
}

/** What may be written, in words, and what the settings allow and the server does not. */
export interface WriteReport {
  readonly allowed: string;
  readonly warning: string | undefined;
}

export class Writer {
  readonly #deps: WriterDeps;
  readonly #points: ReadonlyMap<string, Point>;
  /** The last write of each node: the next one waits for it, so that limits of steps hold. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #atOnce = 0;
  #callable: readonly string[] = [];
  #problems: readonly string[] = [];

  constructor(deps: WriterDeps) {
    this.#deps = deps;
    this.#points = new Map(deps.points.map((point) => [point.key, point]));
  }

  get report(): WriteReport {
    if (!this.#deps.settings.write.isAllowed) return { allowed: "nothing is written", warning: undefined };
    const count = this.#deps.points.filter(({ isWritable }) => isWritable).length;
    const told = this.#problems.slice(0, MAX_TOLD);
    const more = this.#problems.length - told.length;
    return {
      allowed: `points that may be written: ${count}; methods: ${this.#callable.join(", ") || "none"}`,
      warning:
        told.length === 0
          ? undefined
          : `cannot be written as the settings say: ${told.join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
    };
  }

  /** Holds the settings against the server, after opening. @throws what the driver throws */
  async inspect(signal: AbortSignal): Promise<void> {
    const { isAllowed, points, methods } = this.#deps.settings.write;
    if (!isAllowed) return;
    const connection = this.#deps.connection();
    const problems: string[] = [];
    const described = await describeTargets(connection, points, signal);
    for (const [at, { node }] of points.entries()) {
      const point = this.#points.get(node);
      const one = described[at];
      if (point !== undefined) point.isWritable = one?.ok === true;
      if (one?.ok === false) problems.push(`${node}: ${one.problem}`);
      else if (point === undefined) problems.push(`${node}: is no point of this connection`);
    }
    const callable: string[] = [];
    for (const method of methods) {
      const one = await describeMethod(connection, method, signal);
      if (one.ok) callable.push(method.name);
      else problems.push(`${method.name} (${method.method}): ${one.problem}`);
    }
    this.#callable = callable;
    this.#problems = problems;
  }

  /** @throws ConnectorError when nothing was written */
  async write(request: WriteRequest): Promise<WriteOutcome> {
    const { settings } = this.#deps;
    const { write, timeoutMs } = settings;
    if (!write.isAllowed)
      return rejected(
        "NOT_WRITABLE",
        "This connection only reads. Whoever runs the agent can change that: write: { allow: true, points: […] }.",
      );
    if (request.entity !== ENTITY)
      return rejected("NOT_WRITABLE", `${request.entity} is not written here; only ${ENTITY} is`);
    const method = write.methods.find(({ name }) => name === request.operation);
    if (method === undefined && request.operation !== UPDATE)
      return rejected("NOT_WRITABLE", `${request.operation} is no operation that the plant's settings list`);
    if (Object.keys(request.children ?? {}).length > 0)
      return rejected("NOT_WRITABLE", "points and methods have no rows of their own to write");
    if (request.ifVersion !== undefined)
      return rejected("NO_VERSION", "points have no version; a write cannot depend on one");
    // Reads before a write could wait for a repair for ever; the runner's own signal may be longer.
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(2 * timeoutMs)]);
    const node = method?.object ?? request.key?.[0] ?? "";
    return this.#inTurn(node, signal, () => this.#attempt(request, method, signal));
  }

  async #attempt(
    request: WriteRequest,
    method: MethodSettings | undefined,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    const connection = this.#deps.connection();
    if (connection.isLost)
      throw new ConnectorError(
        "unavailable",
        "the connection to the server is being restored; nothing was written, and nothing is kept for later: send it again",
      );
    try {
      return method === undefined
        ? await this.#update(connection, request, signal)
        : await this.#call(connection, method, request, signal);
    } catch (error) {
      throw asConnectorError(error, `${request.operation} of ${ENTITY}`, connection.failureContext);
    }
  }

  async #update(connection: Connection, request: WriteRequest, signal: AbortSignal): Promise<WriteOutcome> {
    const [key] = request.key ?? [];
    const rule = this.#deps.settings.write.points.find(({ node }) => node === key);
    if (rule === undefined || request.key?.length !== 1)
      return rejected(
        "NOT_WRITABLE",
        `${key ?? "no point"} is not among the points that the plant's settings list`,
      );
    const point = this.#points.get(rule.node);
    if (point === undefined) return rejected("NOT_WRITABLE", `${rule.node} is no point of this connection`);
    const others = Object.keys(request.values).filter((name) => name !== "value");
    if (others.length > 0)
      return rejected("NOT_WRITABLE", `${others.join(", ")} of a point cannot be written; only value can`);
    const given = givenValue(request.values["value"]);
    if (given === undefined) return rejected("VALUE", `value: ${notJson(request.values["value"])}`);
    return this.#writePoint(connection, { rule, point, ...given }, request.dryRun, signal);
  }

  async #writePoint(
    connection: Connection,
    { rule, point, given }: { rule: PointWriteSettings; point: Point; given: unknown },
    isDry: boolean,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    const [described] = await describeTargets(connection, [rule], signal);
    point.isWritable = described?.ok === true;
    if (described?.ok !== true) return rejected("NOT_WRITABLE", `${rule.node}: ${described?.problem ?? ""}`);
    const { clock, rowOf } = this.#deps;
    const { target } = described;
    const outcome = await writePoint({ connection, clock, target, given, isDry, signal });
    return outcome.status === "applied" ? { ...outcome, row: rowOf(point) } : outcome;
  }

  async #call(
    connection: Connection,
    method: MethodSettings,
    { key, values, dryRun }: WriteRequest,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    const point = this.#points.get(key?.[0] ?? "");
    const isKnown = key === undefined || key[0] === method.object || point !== undefined;
    if (!isKnown || !isCallableOn(method, key))
      return rejected(
        "NOT_WRITABLE",
        `${method.name} is not called at ${key?.join("/") ?? ""}: it belongs to ${method.object}`,
      );
    const described = await describeMethod(connection, method, signal);
    if (!described.ok)
      return rejected("NOT_WRITABLE", `${method.name} (${method.method}): ${described.problem}`);
    const { target } = described;
    const outcome = await callMethod({ connection, target, values, isDry: dryRun, signal });
    return outcome.status !== "applied" || point === undefined
      ? outcome
      : { ...outcome, row: this.#deps.rowOf(point) };
  }

  /** @throws ConnectorError unavailable when the time ends before its turn */
  async #inTurn<T>(node: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#atOnce >= MAX_AT_ONCE)
      throw new ConnectorError(
        "unavailable",
        `${MAX_AT_ONCE} writes are under way at this server; nothing was written: send it again later`,
      );
    this.#atOnce += 1;
    const before = this.#turns.get(node);
    const own = (before === undefined ? Promise.resolve() : orAborted(before, signal)).then(work);
    // What comes next waits for this work's end, and for what this one has waited for.
    const done = Promise.allSettled([before, own]);
    this.#turns.set(node, done);
    try {
      return await own;
    } finally {
      this.#atOnce -= 1;
      if (this.#turns.get(node) === done) this.#turns.delete(node);
    }
  }
}
