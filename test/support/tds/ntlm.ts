// The server's half of NTLMv2 as far as drivers need it: a challenge, and a check that the client knows the password.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { TdsProtocolError } from "./byte-reader.ts";
import { md4 } from "./md4.ts";

export interface WindowsAccount {
  readonly domain: string;
  readonly user: string;
  readonly password: string;
}

const SIGNATURE = "NTLMSSP\0";
const CHALLENGE_BYTES = 8;
const HEADER_BYTES = 56;
/** Unicode, NTLM, target type domain, extended security, target info. */
const FLAGS = 0x0000_0001 | 0x0000_0200 | 0x0001_0000 | 0x0008_0000 | 0x0080_0000;
const TARGET_NAME = "MILLRACE";
const PROOF_BYTES = 16;

export class NtlmExchange {
  readonly #accounts: readonly WindowsAccount[];
  readonly #nonce = randomBytes(CHALLENGE_BYTES);

  constructor(accounts: readonly WindowsAccount[]) {
    this.#accounts = accounts;
  }

  challenge(): Buffer {
    const name = Buffer.from(TARGET_NAME, "utf16le");
    const info = Buffer.concat([avPair(2, name), avPair(1, name), avPair(0, Buffer.alloc(0))]);
    const header = Buffer.alloc(HEADER_BYTES);
    header.write(SIGNATURE, "latin1");
    header.writeUInt32LE(2, 8);
    field(header, 12, name.length, HEADER_BYTES);
    header.writeUInt32LE(FLAGS, 20);
    this.#nonce.copy(header, 24);
    field(header, 40, info.length, HEADER_BYTES + name.length);
    return Buffer.concat([header, name, info]);
  }

  /** The account whose password the client proved to know. @throws TdsProtocolError when it is no NTLM token */
  check(token: Buffer): WindowsAccount | undefined {
    if (token.subarray(0, 8).toString("latin1") !== SIGNATURE || token.readUInt32LE(8) !== 3)
      throw new TdsProtocolError("the client's proof is not an NTLM one");
    const response = part(token, 12);
    const domain = part(token, 28).toString("utf16le");
    const user = part(token, 36).toString("utf16le");
    const account = this.#accounts.find(
      (candidate) => same(candidate.domain, domain) && same(candidate.user, user),
    );
    if (account === undefined || response.length < PROOF_BYTES + CHALLENGE_BYTES) return undefined;
    // LMv2: a keyed hash of both nonces, followed by the client's.
    const clientNonce = response.subarray(PROOF_BYTES, PROOF_BYTES + CHALLENGE_BYTES);
    const proof = hmac(keyOf(account, user, domain), Buffer.concat([this.#nonce, clientNonce]));
    return timingSafeEqual(proof, response.subarray(0, PROOF_BYTES)) ? account : undefined;
  }
}

/** NTOWFv2: the password's MD4, keyed over user and domain. */
function keyOf(account: WindowsAccount, user: string, domain: string): Buffer {
  const hash = md4(Buffer.from(account.password, "utf16le"));
  return hmac(hash, Buffer.from(user.toUpperCase() + domain.toUpperCase(), "utf16le"));
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac("md5", key).update(data).digest();
}

function avPair(id: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
}

function field(header: Buffer, at: number, length: number, offset: number): void {
  header.writeUInt16LE(length, at);
  header.writeUInt16LE(length, at + 2);
  header.writeUInt32LE(offset, at + 4);
}

function part(token: Buffer, at: number): Buffer {
  const offset = token.readUInt32LE(at + 4);
  return token.subarray(offset, offset + token.readUInt16LE(at));
}

function same(left: string, right: string): boolean {
  return left.toUpperCase() === right.toUpperCase();
}
