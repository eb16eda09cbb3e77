// The bytes under TDS: plain TCP, TLS whose handshake travels in PRELOGIN packets, or TLS from the first byte (TDS 8.0).
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { createSecureContext, TLSSocket, type SecureContextOptions, type SecureVersion } from "node:tls";
import { PACKET, PacketReader, packetsOf } from "./packets.ts";

const TLS_HANDSHAKE = 0x16;
const HANDSHAKE_PACKET_BYTES = 4096;

export interface TlsOptions {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** Below TLSv1.2 needs `ciphers` with `@SECLEVEL=0`. */
  readonly minVersion?: SecureVersion;
  readonly maxVersion?: SecureVersion;
  readonly ciphers?: string;
}

export interface TransportDeps {
  readonly socket: Socket;
  readonly tls: TlsOptions | undefined;
  /** True: nothing is read or written, as behind a router that drops everything. */
  readonly isHalfOpen: () => boolean;
  /** Of TDS, decrypted. */
  readonly onBytes: (chunk: Buffer) => void;
  readonly onClose: (reason: Error | undefined) => void;
}

type Mode = "unknown" | "plain" | "handshake" | "tls";

export class Transport {
  readonly #deps: TransportDeps;
  readonly #packets = new PacketReader();
  #mode: Mode = "unknown";
  #wire: Duplex | undefined;
  #secure: TLSSocket | undefined;
  #handshakeOut: Buffer[] = [];
  #failure: Error | undefined;

  constructor(deps: TransportDeps) {
    this.#deps = deps;
    const { socket } = deps;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      if (!deps.isHalfOpen()) this.#receive(chunk);
    });
    socket.on("error", (error) => (this.#failure ??= error));
    socket.on("end", () => this.destroy());
    socket.on("close", () => {
      this.#secure?.destroy();
      deps.onClose(this.#failure);
    });
  }

  get isEncrypted(): boolean {
    return this.#secure !== undefined;
  }

  /** TLS 1.2, say; undefined while nothing is encrypted. */
  get tlsVersion(): string | undefined {
    return this.#secure?.getProtocol() ?? undefined;
  }

  get sentBytes(): number {
    return this.#deps.socket.bytesWritten;
  }

  get isClosed(): boolean {
    return this.#deps.socket.destroyed;
  }

  /** What follows from the client in PRELOGIN packets is its TLS handshake. */
  expectTls(): void {
    this.#mode = "handshake";
    // Clients of TDS 7 wrap the handshake of TLS 1.2; 1.3 would send tickets behind its end.
    this.#secureOver({ maxVersion: "TLSv1.2", ...this.#deps.tls });
  }

  /** Resolves when the bytes are on their way or the connection is gone; waits for a slow reader. */
  write(bytes: Uint8Array): Promise<void> {
    const target = this.#secure ?? this.#deps.socket;
    if (target.destroyed || this.#deps.isHalfOpen()) return Promise.resolve();
    if (target.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        target.off("drain", done);
        this.#deps.socket.off("close", done);
        resolve();
      };
      target.once("drain", done);
      this.#deps.socket.once("close", done);
    });
  }

  /** Sends what was written, then closes. */
  end(): void {
    const { socket } = this.#deps;
    const close = (): void => {
      socket.end(() => socket.destroy());
    };
    if (this.#secure === undefined) close();
    else this.#secure.end(close);
  }

  /** At once, without a word. */
  destroy(): void {
    this.#deps.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#mode === "unknown") {
      this.#mode = chunk[0] === TLS_HANDSHAKE && this.#deps.tls !== undefined ? "tls" : "plain";
      if (this.#mode === "tls") this.#secureOver({ ...this.#deps.tls, alpn: "tds/8.0" });
    }
    if (this.#mode === "plain") this.#deps.onBytes(chunk);
    else if (this.#mode === "tls" || this.#isRawRecord(chunk)) {
      this.#mode = "tls";
      this.#wire?.push(chunk);
    } else for (const { payload } of this.#packets.push(chunk)) this.#wire?.push(payload);
  }

  /** The handshake is over for a client that sends TLS records of its own. */
  #isRawRecord(chunk: Buffer): boolean {
    return this.#packets.isEmpty && chunk[0] !== PACKET.prelogin;
  }

  #secureOver(options: Partial<TlsOptions> & { readonly alpn?: string }): void {
    const { alpn, certificatePem, privateKeyPem, ...versions } = options;
    const context: SecureContextOptions = { ...versions };
    if (certificatePem !== undefined) context.cert = certificatePem;
    if (privateKeyPem !== undefined) context.key = privateKeyPem;
    this.#wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => this.#sendRecord(chunk, done),
      final: (done) => done(),
    });
    this.#secure = new TLSSocket(this.#wire, {
      isServer: true,
      secureContext: createSecureContext(context),
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
    });
    this.#secure.on("data", (chunk: Buffer) => this.#deps.onBytes(chunk));
    this.#secure.on("error", (error) => {
      this.#failure ??= error;
      // An alert for the client may still be on its way out.
      setImmediate(() => this.destroy());
    });
  }

  #sendRecord(chunk: Buffer, done: (error?: Error | null) => void): void {
    if (this.#mode === "tls") {
      if (this.#deps.isHalfOpen() || this.#deps.socket.destroyed) done();
      else this.#deps.socket.write(chunk, () => done());
      return;
    }
    // Clients read exactly one PRELOGIN message for each they send: a flight must not be split.
    if (this.#handshakeOut.push(Buffer.from(chunk)) === 1) setImmediate(() => this.#sendFlight());
    done();
  }

  #sendFlight(): void {
    const flight = Buffer.concat(this.#handshakeOut);
    this.#handshakeOut = [];
    if (!this.isClosed && !this.#deps.isHalfOpen())
      this.#deps.socket.write(packetsOf(PACKET.prelogin, flight, { packetBytes: HANDSHAKE_PACKET_BYTES }));
  }
}
