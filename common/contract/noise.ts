// The Noise Protocol Framework, revision 34, for the one pattern the wire uses: Noise_NN_25519_AESGCM_SHA256.
//
// Names and steps are the specification's (https://noiseprotocol.org/noise.html, section 5). Two things differ, both
// on purpose: transport messages may be as long as MAX_FRAME_BYTES (Noise stops at 65,535 bytes; the bound that
// matters cryptographically is GCM's, 2^36 bytes a message), and a key seals at most 2^48 messages, so that the nonce
// stays an exact number. NN authenticates nobody: handshake-agent.ts and handshake-relay.ts sign the handshake hash.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { MillraceError } from "../runtime/errors.ts";

/** A message that does not authenticate, is cut short, or comes where none may come. The session is over. */
export class NoiseError extends MillraceError {
  override name = "NoiseError";
}

const PROTOCOL_NAME = "Noise_NN_25519_AESGCM_SHA256";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** What sealing adds to a message. */
export const SEAL_BYTES = 16;
/** Messages under one key. Sealing and opening refuse to go on after that; a session never lives so long. */
export const MAX_MESSAGES_PER_KEY = 2 ** 48;

const NOTHING = Buffer.alloc(0);
/** RFC 8410: the DER that precedes 32 raw bytes of an X25519 key. */
const X25519_PRIVATE_DER = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_PUBLIC_DER = Buffer.from("302a300506032b656e032100", "hex");

export interface EphemeralKey {
  readonly privateKey: KeyObject;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

export function generateEphemeralKey(): EphemeralKey {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: rawPublicKey(publicKey) };
}

/** From 32 raw bytes: for vectors, and for simulations that own their randomness. */
export function ephemeralKeyFrom(secret: Uint8Array): EphemeralKey {
  const der = Buffer.concat([X25519_PRIVATE_DER, secret]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: rawPublicKey(createPublicKey(privateKey)) };
}

/** One direction after the handshake: a key and the number of the next message. */
export class CipherState {
  /** Node takes four times as long for a cipher whose key is bytes: it asks first whether they are a key object. */
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  #messages: number;

  /** `messages`: how many the key has sealed already; anything but 0 is for tests. */
  constructor(key: Uint8Array, messages = 0) {
    this.#key = createSecretKey(key);
    this.#messages = messages;
  }

  /** Ciphertext and tag in one new buffer. @throws NoiseError when the key is used up */
  seal(plain: Uint8Array, associated: Uint8Array = NOTHING): Buffer {
    const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nextNonce());
    if (associated.length > 0) cipher.setAAD(associated);
    const sealed = Buffer.allocUnsafe(plain.length + SEAL_BYTES);
    const body = cipher.update(plain);
    sealed.set(body, 0);
    cipher.final();
    sealed.set(cipher.getAuthTag(), plain.length);
    this.#messages += 1;
    return sealed;
  }

  /** @throws NoiseError when the message was altered or is not the next one of its direction */
  open(sealed: Uint8Array, associated: Uint8Array = NOTHING): Buffer {
    const end = sealed.length - SEAL_BYTES;
    if (end < 0) throw new NoiseError(`sealed message of ${sealed.length} bytes is shorter than its tag`);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, this.#nextNonce());
    if (associated.length > 0) decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(end));
    try {
      const plain = decipher.update(sealed.subarray(0, end));
      decipher.final();
      this.#messages += 1;
      return plain;
    } catch (error) {
      throw new NoiseError("sealed message does not open", { cause: error });
    }
  }

  /** Section 12: 32 bits of zeros, then the counter as 64 bits big-endian. */
  #nextNonce(): Buffer {
    if (this.#messages >= MAX_MESSAGES_PER_KEY) {
      throw new NoiseError(`a session key seals at most ${MAX_MESSAGES_PER_KEY} messages; connect anew`);
    }
    this.#nonce.writeUIntBE(this.#messages, NONCE_BYTES - 6, 6);
    return this.#nonce;
  }
}

class SymmetricState {
  #chainingKey: Buffer;
  #hash: Buffer;
  #cipher: CipherState | undefined;

  constructor() {
    this.#hash = Buffer.alloc(KEY_BYTES);
    this.#hash.write(PROTOCOL_NAME, "latin1");
    this.#chainingKey = this.#hash;
  }

  get handshakeHash(): Buffer {
    return this.#hash;
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, input);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(key);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = createHash("sha256").update(this.#hash).update(data).digest();
  }

  encryptAndHash(plain: Uint8Array): Uint8Array {
    const sealed = this.#cipher === undefined ? plain : this.#cipher.seal(plain, this.#hash);
    this.mixHash(sealed);
    return sealed;
  }

  decryptAndHash(sealed: Uint8Array): Uint8Array {
    const plain = this.#cipher === undefined ? sealed : this.#cipher.open(sealed, this.#hash);
    this.mixHash(sealed);
    return plain;
  }

  split(): [initiator: CipherState, responder: CipherState] {
    const [first, second] = hkdf(this.#chainingKey, NOTHING);
    return [new CipherState(first), new CipherState(second)];
  }
}

/** Both directions of a finished handshake, and the hash that names this session and no other. */
export interface NoiseSession {
  readonly send: CipherState;
  readonly receive: CipherState;
  readonly handshakeHash: Uint8Array;
}

/** NN: `-> e`, `<- e, ee`. The initiator writes, then reads; the responder reads, then writes; then `split`. */
export class HandshakeState {
  readonly #symmetric = new SymmetricState();
  readonly #isInitiator: boolean;
  readonly #ephemeral: EphemeralKey;
  #remote: Uint8Array | undefined;
  #messages = 0;

  constructor(role: "initiator" | "responder", ephemeral: EphemeralKey, prologue: Uint8Array) {
    this.#isInitiator = role === "initiator";
    this.#ephemeral = ephemeral;
    this.#symmetric.mixHash(prologue);
  }

  /** @throws NoiseError when it is not this side's turn, or the peer's key is a degenerate point */
  writeMessage(payload: Uint8Array): Buffer {
    const isFirst = this.#takeTurn(true);
    const { publicKey } = this.#ephemeral;
    this.#symmetric.mixHash(publicKey);
    if (!isFirst) this.#mixSharedSecret();
    return Buffer.concat([publicKey, this.#symmetric.encryptAndHash(payload)]);
  }

  /** The payload. @throws NoiseError when the message is short, altered, or not expected now */
  readMessage(message: Uint8Array): Uint8Array {
    const isFirst = this.#takeTurn(false);
    if (message.length < KEY_BYTES) {
      throw new NoiseError(`handshake message of ${message.length} bytes is shorter than a key`);
    }
    // Copies: the caller's message may be a view of a much larger socket buffer.
    this.#remote = Uint8Array.from(message.subarray(0, KEY_BYTES));
    this.#symmetric.mixHash(this.#remote);
    if (!isFirst) this.#mixSharedSecret();
    return this.#symmetric.decryptAndHash(message.subarray(KEY_BYTES));
  }

  split(): NoiseSession {
    if (this.#messages !== 2) throw new NoiseError("the handshake has not finished");
    const [initiator, responder] = this.#symmetric.split();
    const handshakeHash = this.#symmetric.handshakeHash;
    return this.#isInitiator
      ? { send: initiator, receive: responder, handshakeHash }
      : { send: responder, receive: initiator, handshakeHash };
  }

  #takeTurn(isWriting: boolean): boolean {
    const isFirst = this.#messages === 0;
    if (this.#messages > 1 || isWriting !== (isFirst === this.#isInitiator)) {
      throw new NoiseError("a handshake message is out of turn");
    }
    this.#messages += 1;
    return isFirst;
  }

  #mixSharedSecret(): void {
    this.#symmetric.mixKey(sharedSecret(this.#ephemeral.privateKey, this.#remote ?? NOTHING));
  }
}

/** Section 4.3, two outputs. */
function hkdf(chainingKey: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const temporary = hmac(chainingKey, input);
  const first = hmac(temporary, Buffer.of(1));
  return [first, hmac(temporary, Buffer.concat([first, Buffer.of(2)]))];
}

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function sharedSecret(privateKey: KeyObject, remote: Uint8Array): Buffer {
  try {
    const der = Buffer.concat([X25519_PUBLIC_DER, remote]);
    return diffieHellman({
      privateKey,
      publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
    });
  } catch (error) {
    throw new NoiseError("the peer's ephemeral key is not a usable X25519 point", { cause: error });
  }
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ format: "der", type: "spki" }).subarray(-KEY_BYTES));
}
