// Tells what a connection offers: when its source is open, when its custom fields are known, and when more of them have come.
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { OpenSource } from "../room/open-source.ts";
import { customFieldsOf, describeConnection, type DescriptionFacts } from "./describe-connection.ts";

export interface ConnectionDescriberDeps {
  readonly facts: DescriptionFacts;
  readonly tell: (description: ConnectionDescription) => void;
  readonly logger: Logger;
}

export class ConnectionDescriber {
  readonly #deps: ConnectionDescriberDeps;
  #source: OpenSource | undefined;
  /** A table had no row that could show its custom fields: the first reading may bring some. */
  #isLookedAtAgain = false;
  #last = "";

  constructor(deps: ConnectionDescriberDeps) {
    this.#deps = deps;
  }

  opened(source: OpenSource): void {
    this.#source = source;
    this.#isLookedAtAgain = false;
    this.#tell(source, new Map());
    this.#look(source);
  }

  /** Everything has been read once: what was empty at the opening may not be any more. */
  reported({ status }: ConnectionReport): void {
    const source = this.#source;
    if (status !== "online" || !this.#isLookedAtAgain || source === undefined || source.signal.aborted)
      return;
    this.#isLookedAtAgain = false;
    this.#look(source);
  }

  #look(source: OpenSource): void {
    source
      .use(() => this.#describe(source))
      .catch((error: unknown) =>
        this.#deps.logger.error({}, `the connection cannot be described: ${messageOf(error)}`),
      );
  }

  async #describe(source: OpenSource): Promise<void> {
    const found = await customFieldsOf(source, source.signal);
    if (source.signal.aborted) return;
    this.#isLookedAtAgain = [...found.values()].some((names) => names.length === 0);
    this.#tell(source, found);
  }

  #tell(source: OpenSource, customFields: ReadonlyMap<string, readonly string[]>): void {
    const description = describeConnection(this.#deps.facts, source, customFields);
    const text = JSON.stringify(description);
    if (text === this.#last) return;
    this.#last = text;
    this.#deps.tell(description);
  }
}
