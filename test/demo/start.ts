// The demo: starts relay, plant and agent as real processes, sets them up as a customer would, and shows how they are.
import { resolve } from "node:path";
import { messageOf } from "#common/runtime/errors.ts";
import { buildDashboard, isStale } from "#relay/dashboard/build.mjs";
import { DemoError } from "./demo-error.ts";
import { DemoFolder } from "./demo-folder.ts";
import { enrolOrResume, isComplete, type Enrolled } from "./enrol.ts";
import { amount, lineOf, LiveStatus, tableOf, type ConnectionPicture } from "./live-status.ts";
import { DEFAULT_PORT, parseOptions, type DemoOptions } from "./options.ts";
import { RelayApi } from "./relay-api.ts";
import { Screen } from "./screen.ts";
import { DemoStack } from "./stack.ts";

const FIRST_SYNC_WITHIN_MS = 5 * 60_000;
const LOOK_EVERY_MS = 1_000;
/** Elsewhere than on a terminal. */
const SYNC_LINE_EVERY_MS = 2_000;
const STATUS_LINE_EVERY_MS = 10_000;

/** Returns the exit code. */
export async function runDemo(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return 0;
  }
  if (parsed.kind === "problems") {
    process.stderr.write(`${parsed.problems.join("\n")}\nnpm start -- --help lists all options\n`);
    return 2;
  }
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      // Asked twice: whatever holds it up is not waited for. The others end with us.
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
    });
  const screen = new Screen(process.stdout);
  try {
    using folder = DemoFolder.open(resolve(parsed.options.dataDir));
    return await new Demo(folder, parsed.options, screen, stop.signal).run();
  } catch (error) {
    if (!(error instanceof DemoError)) throw error;
    screen.draw([]);
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

class Demo {
  readonly #folder: DemoFolder;
  readonly #options: DemoOptions;
  readonly #screen: Screen;
  readonly #signal: AbortSignal;
  readonly #stack: DemoStack;
  readonly #isNew: boolean;
  #enrolled: Enrolled | undefined;

  constructor(folder: DemoFolder, options: DemoOptions, screen: Screen, signal: AbortSignal) {
    this.#folder = folder;
    this.#options = options;
    this.#screen = screen;
    this.#signal = signal;
    const before = folder.state();
    this.#isNew = !isComplete(before);
    this.#stack = new DemoStack(
      folder,
      {
        port: options.port ?? before?.relayPort ?? DEFAULT_PORT,
        opcuaPort: before?.opcuaPort ?? 0,
        rate: options.rate,
        scale: options.scale,
      },
      (text) => screen.say(text),
      () => this.#writeDemoFile(),
    );
  }

  async run(): Promise<number> {
    const stopped = abortOf(this.#signal);
    try {
      const code = await Promise.race([this.#runAll(), stopped.then(() => 0)]);
      return code;
    } finally {
      this.#screen.draw([]);
      if (!this.#options.isOnce) this.#screen.say("stopping …");
      await this.#stack.stop();
    }
  }

  async #runAll(): Promise<number> {
    await this.#start();
    this.#greet();
    const { url } = this.#stack;
    const status = new LiveStatus(new RelayApi(url, this.#key), this.#folder.agentDir);
    await this.#firstSync(status);
    if (this.#options.isOnce) return 0;
    this.#screen.say(`logs are in ${this.#folder.log("*")}; Ctrl-C stops everything\n`);
    let saidAt = performance.now();
    while (!this.#signal.aborted) {
      const pictures = await this.#look(status);
      if (this.#screen.isTerminal) this.#screen.draw(["", ...tableOf(pictures), "", ...notesOf(pictures)]);
      else if (performance.now() - saidAt >= STATUS_LINE_EVERY_MS) {
        saidAt = performance.now();
        this.#screen.say([lineOf(pictures), ...notesOf(pictures)].join("\n"));
      }
      await pause(LOOK_EVERY_MS, this.#signal);
    }
    return 0;
  }

  get #key(): string {
    return this.#enrolled?.workspaceKey ?? "";
  }

  async #start(): Promise<void> {
    const { relay, agent, plant } = this.#stack;
    this.#folder.removeDemoFile();
    const isNew = this.#isNew;
    if (isNew) this.#folder.clearForSetUp();
    await this.#buildDashboard();
    this.#screen.say(isNew ? "starting relay and plant …" : `going on in ${this.#folder.path} …`);
    // The relay first: when its port is taken, nothing else has been touched.
    await relay.start();
    await Promise.all([plant.start(), this.#stack.startMachines()]);
    if (isNew) this.#screen.say("enrolling the agent with a one-time code …");
    const enrolled = await enrolOrResume(this.#folder, this.#stack.url, this.#stack.addresses, this.#signal);
    const { relayPort, opcuaPort } = this.#stack;
    this.#folder.saveState({ isSetUp: true, relayPort, opcuaPort, ...enrolled });
    this.#enrolled = enrolled;
    await agent.start();
    this.#writeDemoFile();
  }

  /** Everything but the dashboard works without it. */
  async #buildDashboard(): Promise<void> {
    if (!isStale()) return;
    this.#screen.say("building the dashboard …");
    try {
      await buildDashboard();
    } catch (error) {
      this.#screen.say(
        `the dashboard could not be built: ${messageOf(error)}; all else works, "npm run dashboard" tries again`,
      );
    }
  }

  #writeDemoFile(): void {
    if (this.#enrolled === undefined || this.#signal.aborted) return;
    const pids = this.#stack.pids();
    if (Object.values(pids).every((pid) => pid > 0))
      this.#folder.saveDemoFile({ api: this.#stack.url, ...this.#enrolled, pids });
  }

  #greet(): void {
    const { url } = this.#stack;
    const connections = Object.entries(this.#enrolled?.connections ?? {});
    const width = Math.max(...connections.map(([name]) => name.length), "workspace".length);
    const erp = connections[0]?.[1].token ?? "";
    this.#screen.say(
      [
        "",
        `API        ${url}  (described at ${url}/v1/openapi.json)`,
        `dashboard  ${url}/dashboard  (sign in as ${this.#enrolled?.dashboard.email} with ${this.#enrolled?.dashboard.password})`,
        `tokens     (they read, and write what ${this.#folder.agentConfig} allows)`,
        `  ${"workspace".padEnd(width)}  ${this.#key}`,
        ...connections.map(([name, { token }]) => `  ${name.padEnd(width)}  ${token}`),
        "",
        "worth trying:",
        `  curl -s -H "Authorization: Bearer ${erp}" "${url}/v1/purchase-orders?limit=2"`,
        `  curl -s -H "Authorization: Bearer ${this.#key}" "${url}/v1/telemetry-points?limit=3"`,
        `  curl -sN -H "Authorization: Bearer ${this.#key}" -H "Accept: text/event-stream" "${url}/v1/events?cursor=latest"`,
        "",
      ].join("\n"),
    );
  }

  /** @throws DemoError with what is missing when it takes too long */
  async #firstSync(status: LiveStatus): Promise<void> {
    const startedAt = performance.now();
    let saidAt = startedAt;
    for (;;) {
      const pictures = await this.#look(status);
      const seconds = (performance.now() - startedAt) / 1000;
      if (pictures.length > 0 && pictures.every(({ isSynced }) => isSynced)) {
        const records = pictures.reduce((sum, each) => sum + each.records, 0);
        this.#screen.draw([]);
        this.#screen.say(
          this.#isNew
            ? `first sync complete: ${amount(records)} records in ${seconds.toFixed(1)} s`
            : `in sync: ${amount(records)} records`,
        );
        return;
      }
      const waiting = pictures.filter(({ isSynced }) => !isSynced).map(waitingText);
      if (seconds * 1000 > FIRST_SYNC_WITHIN_MS)
        throw new DemoError(
          `the first sync is not complete after ${FIRST_SYNC_WITHIN_MS / 60_000} minutes: ${waiting.join("; ")}; see ${this.#folder.log("*")}`,
        );
      if (this.#screen.isTerminal) this.#screen.draw(["first sync:", ...waiting.map((line) => `  ${line}`)]);
      else if (performance.now() - saidAt >= SYNC_LINE_EVERY_MS) {
        saidAt = performance.now();
        this.#screen.say(`first sync: ${waiting.join("; ")}`);
      }
      await pause(LOOK_EVERY_MS / 4, this.#signal);
      if (this.#signal.aborted) return;
    }
  }

  /** While the relay restarts there is nothing to see. */
  async #look(status: LiveStatus): Promise<readonly ConnectionPicture[]> {
    try {
      return await status.look();
    } catch (error) {
      if (!this.#signal.aborted) this.#screen.draw([`the relay does not answer: ${messageOf(error)}`]);
      return [];
    }
  }
}

function waitingText({ name, status, records, progress, note }: ConnectionPicture): string {
  // The agent is about to call: that nobody serves the connection yet is no news.
  if (status === "pending") return `${name} waits for the agent`;
  const parts = progress.length > 0 ? progress.join(", ") : `${amount(records)} records`;
  return `${name} ${status}: ${parts}${note === undefined ? "" : ` (${note})`}`;
}

function notesOf(pictures: readonly ConnectionPicture[]): readonly string[] {
  return pictures.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
