// The negotiation of encryption and integrity of old: a server that demands them, and a client that has none.

const MAGIC = 0xdeadbeef;
const ENCRYPTION = 2;
/** ORA-12660: encryption or crypto-checksumming parameters incompatible. */
const INCOMPATIBLE = 12_660;

/** The answer to whatever the client offers. */
export function nativeRefusal(): Buffer {
  const answer = Buffer.alloc(21);
  answer.writeUInt32BE(MAGIC, 0);
  answer.writeUInt16BE(answer.length, 4);
  answer.writeUInt32BE(0x0c10_0200, 6);
  answer.writeUInt16BE(1, 10);
  answer.writeUInt16BE(ENCRYPTION, 13);
  answer.writeUInt32BE(INCOMPATIBLE, 17);
  return answer;
}
