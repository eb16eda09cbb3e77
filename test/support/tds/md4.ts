// MD4 (RFC 1320), which NTLM is built on and node:crypto no longer offers.

const BLOCK_BYTES = 64;
const SHIFTS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;
/** In which order the three rounds take the words of a block. */
const ORDERS = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
] as const;
const CONSTANTS = [0, 0x5a82_7999, 0x6ed9_eba1] as const;
const MIXERS = [
  (b: number, c: number, d: number): number => (b & c) | (~b & d),
  (b: number, c: number, d: number): number => (b & c) | (b & d) | (c & d),
  (b: number, c: number, d: number): number => b ^ c ^ d,
] as const;

export function md4(message: Uint8Array): Buffer {
  const bytes = padded(message);
  let state: readonly [number, number, number, number] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const words = Array.from({ length: 16 }, (_, index) => bytes.readUInt32LE(start + index * 4));
    let [a, b, c, d] = state;
    for (const [round, order] of ORDERS.entries())
      for (const [step, word] of order.entries()) {
        const mixed = MIXERS[round]?.(b, c, d) ?? 0;
        const sum = (a + mixed + (words[word] ?? 0) + (CONSTANTS[round] ?? 0)) >>> 0;
        const shift = SHIFTS[round]?.[step & 3] ?? 0;
        [a, b, c, d] = [d, ((sum << shift) | (sum >>> (32 - shift))) >>> 0, b, c];
      }
    state = [(state[0] + a) >>> 0, (state[1] + b) >>> 0, (state[2] + c) >>> 0, (state[3] + d) >>> 0];
  }
  const digest = Buffer.alloc(16);
  for (const [index, word] of state.entries()) digest.writeUInt32LE(word, index * 4);
  return digest;
}

/** A bit, zeros, and the length in bits. */
function padded(message: Uint8Array): Buffer {
  const length = Math.ceil((message.length + 9) / BLOCK_BYTES) * BLOCK_BYTES;
  const bytes = Buffer.alloc(length);
  bytes.set(message);
  bytes[message.length] = 0x80;
  bytes.writeBigUInt64LE(BigInt(message.length) * 8n, length - 8);
  return bytes;
}
