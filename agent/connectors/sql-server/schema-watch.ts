// Notices that tables were altered while they are read: statements made for the old ones must not go on by accident.
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { ConnectorError } from "#common/runtime/errors.ts";

/** What was found at opening. */
export interface Watched {
  readonly objectIds: readonly number[];
  /** When the last of the tables was altered, and how many there are. */
  readonly token: string;
  /** Everything that statements and strategies rest on. */
  readonly fingerprint: string;
}

export class SchemaWatch {
  readonly #reread: (session: SqlSession) => Promise<string>;
  readonly #known: Watched;
  #token: string;

  /** `reread` gives the fingerprint of now, and throws what is then missing. */
  constructor(known: Watched, reread: (session: SqlSession) => Promise<string>) {
    this.#known = known;
    this.#reread = reread;
    this.#token = known.token;
  }

  /** Expression that gives the token of now: when the last of the tables was altered, and how many this login sees. */
  get expression(): string {
    const ids = this.#known.objectIds;
    if (ids.length === 0) return "''";
    return (
      "(SELECT CONVERT(varchar(30), MAX(o.modify_date), 126) + ' ' + CONVERT(varchar(10), COUNT(*)) " +
      `FROM sys.objects AS o WHERE o.object_id IN (${ids.join(", ")}))`
    );
  }

  isCurrent(token: string): boolean {
    return token === this.#token || this.#known.objectIds.length === 0;
  }

  /**
   * Outside of any transaction. Returns if nothing changed that matters, such as after an index was rebuilt.
   * @throws ConnectorError misconfigured naming what is missing now; unavailable if the source is to be opened anew
   */
  async check(session: SqlSession, token: string): Promise<void> {
    if ((await this.#reread(session)) !== this.#known.fingerprint) {
      throw new ConnectorError(
        "unavailable",
        "The source's tables were changed (columns, types, keys, or how changes are followed) while they were read. The source is opened anew.",
      );
    }
    this.#token = token;
  }
}
