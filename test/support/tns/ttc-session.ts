// One session's calls: takes the piggybacks off, finds out what the call is, and carries it out.
import type { DatabaseSession } from "../sql-engine/session.ts";
import { writeOutcome, writeStatus } from "./answers.ts";
import type { ValueContext } from "./column-format.ts";
import type { CallName } from "./faults.ts";
import { freeLobs, runLobCall } from "./lob-calls.ts";
import { LobStore } from "./lob-store.ts";
import type { ServerIdentity } from "./login.ts";
import { MessageReader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import {
  emptyAttributes,
  readApplicationContext,
  readCurrentSchema,
  readEndToEnd,
  type SessionAttributes,
} from "./piggybacks.ts";
import { CALL, MESSAGE, ProtocolError } from "./protocol.ts";
import { StatementCalls, type StatementCall } from "./statement-calls.ts";

export interface Call {
  readonly name: CallName;
  /** Of calls that run one or fetch from one. */
  readonly statement: string | undefined;
  /** Writes the answer. @throws DatabaseError, and RangeError for values that do not fit their type */
  run(writer: MessageWriter, signal: AbortSignal): Promise<void>;
}

export class TtcSession {
  readonly attributes: SessionAttributes = emptyAttributes();
  readonly #session: DatabaseSession;
  readonly #lobs = new LobStore();
  readonly #statements: StatementCalls;
  #newSchema: string | undefined;

  constructor(session: DatabaseSession, identity: ServerIdentity) {
    this.#session = session;
    const context: ValueContext = {
      lobs: this.#lobs,
      databaseOffsetMinutes: identity.timeZone.offsetMinutes,
    };
    this.#statements = new StatementCalls({
      session: identity.timeZone.isRegion ? answeringTimeZone(session, identity.timeZone.name) : session,
      context,
      longestString: identity.maxStringSize,
    });
  }

  get isInTransaction(): boolean {
    return this.#statements.isInTransaction;
  }

  get openCursors(): number {
    return this.#statements.openCursors;
  }

  /** Those that clients have locators of; only temporary ones are ever freed. */
  get openLobs(): number {
    return this.#lobs.size;
  }

  /** @throws ProtocolError for a message that is not known */
  read(message: Buffer): Call {
    const reader = new MessageReader(message);
    for (;;) {
      const type = reader.u8();
      const code = reader.u8();
      reader.u8();
      if (type === MESSAGE.piggyback) this.#readPiggyback(reader, code);
      else if (type === MESSAGE.function) return this.#afterPiggybacks(this.#readCall(reader, code));
      else throw new ProtocolError(`message type ${type} is not served`);
    }
  }

  close(): void {
    this.#session.close();
  }

  #readPiggyback(reader: MessageReader, code: number): void {
    switch (code) {
      case CALL.closeCursors:
      case CALL.cancelCursors:
        this.#statements.closeCursors(reader, code === CALL.closeCursors);
        return;
      case CALL.setEndToEnd:
        readEndToEnd(reader, this.attributes);
        return;
      case CALL.setSchema:
        readCurrentSchema(reader, this.attributes);
        this.#newSchema = this.attributes.currentSchema;
        return;
      case CALL.appContext:
        readApplicationContext(reader, this.attributes);
        return;
      case CALL.lob:
        freeLobs(reader, this.#lobs);
        return;
      default:
        throw new ProtocolError(`piggyback ${code} is not served`);
    }
  }

  #readCall(reader: MessageReader, code: number): Call {
    switch (code) {
      case CALL.execute:
        return asCall(this.#statements.execute(reader));
      case CALL.reexecute:
      case CALL.reexecuteAndFetch:
        return asCall(this.#statements.reexecute(reader, code === CALL.reexecuteAndFetch));
      case CALL.fetch:
        return asCall(this.#statements.fetch(reader));
      case CALL.lob:
        return this.#simple("lob", async (writer) => {
          runLobCall(reader, writer, this.#lobs);
          writeOutcome(writer, { isInTransaction: this.isInTransaction });
        });
      case CALL.commit:
        return this.#simple("commit", async (writer, signal) => {
          await this.#statements.endTransaction("COMMIT", signal);
          writeStatus(writer, false);
        });
      case CALL.rollback:
        return this.#simple("rollback", async (writer, signal) => {
          await this.#statements.endTransaction("ROLLBACK", signal);
          writeStatus(writer, false);
        });
      case CALL.ping:
        return this.#simple("ping", async (writer) => writeStatus(writer, this.isInTransaction));
      case CALL.logOff:
        return this.#simple("logOff", async (writer) => writeStatus(writer, false));
      default:
        throw new ProtocolError(`function ${code} is not served`);
    }
  }

  #simple(name: CallName, run: Call["run"]): Call {
    return { name, statement: undefined, run };
  }

  /** A schema that the client set takes effect before its next call, and fails it if it does not exist. */
  #afterPiggybacks(call: Call): Call {
    const schema = this.#newSchema;
    if (schema === undefined) return call;
    this.#newSchema = undefined;
    const run: Call["run"] = async (writer, signal) => {
      await this.#session.execute(`ALTER SESSION SET CURRENT_SCHEMA = ${schema}`, [], signal);
      await call.run(writer, signal);
    };
    return { ...call, run };
  }
}

function asCall(call: StatementCall): Call {
  return { name: call.name, statement: call.sql, run: (writer, signal) => call.run(writer, signal) };
}

/** Clients ask for the zone where it is a region, as the login cannot tell it to them. */
function answeringTimeZone(session: DatabaseSession, zone: string): DatabaseSession {
  return {
    execute: async (text, parameters, signal) => {
      if (!/^\s*SELECT\s+DBTIMEZONE\s+FROM\s+DUAL\s*$/i.test(text))
        return session.execute(text, parameters, signal);
      const columns = [
        { name: "DBTIMEZONE", type: { kind: "varchar", length: 64 }, isNullable: true },
      ] as const;
      return { sets: [{ columns, rows: [[zone]] }], rowsAffected: 0 };
    },
    call: (name, parameters, signal) => session.call(name, parameters, signal),
    ...(session.isInTransaction === undefined
      ? {}
      : {
          get isInTransaction() {
            return session.isInTransaction ?? false;
          },
        }),
    close: () => session.close(),
  };
}
