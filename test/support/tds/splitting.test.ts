// Bytes come in any pieces: an answer cut in two at each of its bytes, requests byte by byte, packets of the smallest size.
import { createServer, connect as dial, type AddressInfo, type Server } from "node:net";
import { TYPES } from "tedious";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DbType, StatementResult } from "#test/support/sql-engine/session.ts";
import { DriverClient, type DriverAnswer } from "./driver-client.ts";
import { PacketReader, packetsOf, STATUS, type Message } from "./packets.ts";
import { PlantedDatabase } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";

const column = (name: string, type: DbType): { name: string; type: DbType; isNullable: boolean } => ({
  name,
  type,
  isNullable: true,
});
/** Something of every kind of length prefix, and every kind of token behind a statement. */
const ANSWER: StatementResult = {
  sets: [
    {
      columns: [
        column("n", { kind: "int", bits: 32 }),
        column("d", { kind: "decimal", precision: 18, scale: 4 }),
        column("t", { kind: "nvarchar", length: 20 }),
        column("long", { kind: "nvarchar", length: "max" }),
        column("at", { kind: "datetime2", scale: 7 }),
        column("v", { kind: "sql_variant" }),
        column("old", { kind: "nclob" }),
      ],
      rows: [
        [1, "12.5000", "Ä😀", "lang", "2026-05-04 10:00:00.1234567", "v", "alt"],
        [null, null, null, "", null, 7, null],
      ],
    },
  ],
  rowsAffected: 0,
  outputs: new Map([["out", { type: { kind: "nvarchar", length: 5 }, value: "aus" }]]),
  returnStatus: 4,
};

let database: PlantedDatabase;
let server: TdsServer;
let whole: DriverAnswer;
let wholeBytes = 0;

beforeAll(async () => {
  database = new PlantedDatabase();
  database.plant("EXEC p", ANSWER);
  server = await startTdsServer({ database });
  await using proxy = await SplittingProxy.start(server.port);
  await using client = await DriverClient.connect({ port: proxy.port });
  proxy.watch();
  whole = await call(client);
  wholeBytes = proxy.seenBytes;
});

afterAll(() => server.close());

function call(client: DriverClient): Promise<DriverAnswer> {
  return client.call("p", [{ name: "out", type: TYPES.NVarChar, isOutput: true }]);
}

it("an answer in two pieces, wherever it is cut", async () => {
  expect(whole.rows).toHaveLength(2);
  expect(whole.returnStatus).toBe(4);
  expect([...whole.outputs]).toEqual([["out", "aus"]]);
  expect(wholeBytes).toBeGreaterThan(300);
  await using proxy = await SplittingProxy.start(server.port);
  await using client = await DriverClient.connect({ port: proxy.port });
  for (let at = 1; at < wholeBytes; at += 1) {
    proxy.cutNextAt(at);
    expect(await call(client)).toEqual(whole);
    expect(proxy.pieces).toEqual([at, wholeBytes - at]);
  }
});

it("everything byte by byte, from the first one on: login, requests, answers", async () => {
  await using proxy = await SplittingProxy.start(server.port);
  proxy.isBytewise = true;
  await using client = await DriverClient.connect({ port: proxy.port });
  expect(await call(client)).toEqual(whole);
});

it("an answer whose packets are cut at each of its bytes", async () => {
  await using client = await DriverClient.connect({ port: server.port, options: { packetSize: 512 } });
  for (let length = 0; length < 260; length += 1) {
    const text = "x".repeat(length);
    database.plant("EXEC p", {
      ...ANSWER,
      outputs: new Map([["out", { type: { kind: "nvarchar", length: "max" }, value: text }]]),
    });
    const { outputs, rows } = await call(client);
    expect([outputs.get("out"), rows]).toEqual([text, whole.rows]);
  }
  database.plant("EXEC p", ANSWER);
});

it("messages in packets of every size, read in pieces of every size", () => {
  const payload = Buffer.from(Array.from({ length: 100 }, (_, index) => index));
  for (let packetBytes = 9; packetBytes < 120; packetBytes += 1) {
    const bytes = Buffer.concat([
      packetsOf(3, payload, { packetBytes }),
      packetsOf(6, Buffer.alloc(0), { packetBytes }),
    ]);
    const pieceBytes = (packetBytes % 13) + 1;
    const reader = new PacketReader();
    const messages: Message[] = [];
    for (let start = 0; start < bytes.length; start += pieceBytes)
      messages.push(...reader.push(bytes.subarray(start, start + pieceBytes)));
    expect(messages.map(({ type }) => type)).toEqual([3, 6]);
    expect(messages[0]?.payload).toEqual(payload);
    expect(reader.isEmpty).toBe(true);
  }
  expect(() => new PacketReader().push(Buffer.alloc(8))).toThrow(/a packet says that it has 0 bytes/);
});

it("marks of a message may stand on any of its packets", () => {
  const bytes = packetsOf(1, Buffer.alloc(20), { packetBytes: 18 });
  bytes[1] = STATUS.resetConnection;
  expect(new PacketReader().push(bytes)).toMatchObject([{ status: STATUS.resetConnection | STATUS.end }]);
});

it("packets count on within a message, in one byte", () => {
  const bytes = packetsOf(4, Buffer.alloc(2), { packetBytes: 9, packetsBefore: 254, isEnd: false, spid: 51 });
  expect([...bytes]).toEqual([4, 0, 0, 9, 0, 51, 255, 0, 0, 4, 0, 0, 9, 0, 51, 0, 0, 0]);
});

/** Stands between driver and server and hands bytes on in the pieces that a test asks for, each in its own segment. */
class SplittingProxy implements AsyncDisposable {
  isBytewise = false;
  pieces: number[] = [];
  seenBytes = 0;
  readonly #listener: Server;
  #cutAt: number | undefined;

  private constructor(listener: Server) {
    this.#listener = listener;
  }

  static start(target: number): Promise<SplittingProxy> {
    return new Promise((resolve) => {
      const listener = createServer((client) => {
        const upstream = dial({ port: target, host: "127.0.0.1" });
        const end = (): void => {
          client.destroy();
          upstream.destroy();
        };
        for (const socket of [client, upstream]) {
          socket.setNoDelay(true);
          socket.on("close", end);
          socket.on("error", end);
        }
        upstream.on("data", (bytes: Buffer) => {
          upstream.pause();
          void proxy.#handOn(bytes, (piece) => client.write(piece)).then(() => upstream.resume());
        });
        client.on("data", (bytes: Buffer) => {
          client.pause();
          void proxy.#inPieces(bytes, (piece) => upstream.write(piece)).then(() => client.resume());
        });
      });
      const proxy = new SplittingProxy(listener);
      listener.listen(0, "127.0.0.1", () => resolve(proxy));
    });
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  watch(): void {
    this.seenBytes = 0;
  }

  cutNextAt(at: number): void {
    this.#cutAt = at;
    this.pieces = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#listener.close(resolve);
    });
  }

  async #handOn(bytes: Buffer, write: (piece: Buffer) => void): Promise<void> {
    this.seenBytes += bytes.length;
    const at = this.#cutAt;
    if (at === undefined) return this.#inPieces(bytes, write);
    this.#cutAt = undefined;
    this.pieces = [at, bytes.length - at];
    write(bytes.subarray(0, at));
    await turns();
    write(bytes.subarray(at));
  }

  async #inPieces(bytes: Buffer, write: (piece: Buffer) => void): Promise<void> {
    if (!this.isBytewise) {
      write(bytes);
      return;
    }
    for (let index = 0; index < bytes.length; index += 1) {
      write(bytes.subarray(index, index + 1));
      await turns();
    }
  }
}

/** Long enough for the other side, in this same process, to read what was written. */
async function turns(): Promise<void> {
  for (let count = 0; count < 3; count += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}
