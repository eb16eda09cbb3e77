// Names to addresses without occupying the process's few lookup threads: DNS first, then what the machine itself knows.
import { lookup, Resolver } from "node:dns/promises";
import { SendFailure } from "./send-failure.ts";

/** All addresses of a name. @throws SendFailure `dns_failed`, or `local_fault` when nothing can be asked */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** Of one question to one name server, ms; asked twice. */
const DNS_TIMEOUT_MS = 1_200;
const DNS_TRIES = 2;
/** Lookups by the machine's own means, at once: each holds one of libuv's four threads, which files need too. */
const MAX_MACHINE_LOOKUPS = 2;
/** Waiting for one of them; more are refused. */
const MAX_WAITING_LOOKUPS = 64;
const NO_SUCH_NAME = new Set(["ENOTFOUND", "ENODATA"]);

export interface ResolverOptions {
  /** Name servers, `127.0.0.1:5353`; default: the machine's. */
  readonly servers?: readonly string[];
  /** By the machine's own means. @throws Error with a `code` */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
  readonly dnsTimeoutMs?: number;
}

export function systemResolver(options: ResolverOptions = {}): Resolve {
  const resolver = new Resolver({ timeout: options.dnsTimeoutMs ?? DNS_TIMEOUT_MS, tries: DNS_TRIES });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const machine = new MachineLookup(options.lookup ?? lookupAll);
  return async (name) => {
    if (name === "localhost" || name.endsWith(".localhost")) return ["127.0.0.1", "::1"];
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (found.length > 0) return found;
    const codes = answers.map((answer) => (answer.status === "rejected" ? codeOf(answer.reason) : ""));
    // Names of the hosts file, of search domains and of the local link are not in DNS.
    if (codes.every((code) => NO_SUCH_NAME.has(code))) return await machine.find(name);
    if (await isAnswering(resolver)) throw new SendFailure("dns_failed", "the name's servers do not answer");
    throw new SendFailure("local_fault", "the relay's name server does not answer");
  };
}

/** A name server that works knows the root, whatever is wrong with one name. */
async function isAnswering(resolver: Resolver): Promise<boolean> {
  try {
    await resolver.resolveNs(".");
    return true;
  } catch (error) {
    return NO_SUCH_NAME.has(codeOf(error));
  }
}

async function lookupAll(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

class MachineLookup {
  readonly #lookup: NonNullable<ResolverOptions["lookup"]>;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(lookup: NonNullable<ResolverOptions["lookup"]>) {
    this.#lookup = lookup;
  }

  async find(name: string): Promise<readonly string[]> {
    if (this.#running >= MAX_MACHINE_LOOKUPS) {
      if (this.#waiting.length >= MAX_WAITING_LOOKUPS)
        throw new SendFailure("local_fault", "too many names are being looked up");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await this.#lookup(name);
    } catch (error) {
      if (codeOf(error) === "EAI_AGAIN")
        throw new SendFailure("local_fault", "the relay's name server does not answer", { cause: error });
      throw new SendFailure("dns_failed", "the name does not exist", { cause: error });
    } finally {
      // A place is handed on as it is.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
