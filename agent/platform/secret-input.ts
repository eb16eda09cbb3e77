// Reads a secret from standard input: typed without being shown, or piped in.
import { ReadStream } from "node:tty";
import { MillraceError } from "#common/runtime/errors.ts";
import { MAX_SECRET_BYTES } from "./secrets.ts";

const ENTER = new Set(["\r", "\n", "\u0004"]);
const ERASE = new Set(["\u007F", "\b"]);
const INTERRUPT = "\u0003";

/**
 * Without its last line break. The signal gives up.
 * @throws MillraceError when it is given up, too long, or typed differently the second time
 */
export async function readSecret(
  prompt: string,
  write: (text: string) => void,
  signal: AbortSignal,
  input: NodeJS.ReadableStream = process.stdin,
): Promise<string> {
  if (!(input instanceof ReadStream) || !input.isTTY) return readPiped(input);
  // Before the prompt: what is typed at once must not be seen either.
  input.setRawMode(true);
  input.setEncoding("utf8");
  try {
    const first = await typed(input, prompt, write, signal);
    const again = await typed(input, "Once more: ", write, signal);
    if (first === again) return first;
    throw new MillraceError("the two were not the same; nothing was changed, try again");
  } finally {
    input.setRawMode(false);
    input.pause();
  }
}

async function readPiped(input: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > MAX_SECRET_BYTES)
      throw new MillraceError(
        `a secret has at most ${MAX_SECRET_BYTES} bytes; more came, and nothing was changed`,
      );
    chunks.push(part);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

function typed(
  input: ReadStream,
  prompt: string,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  write(prompt);
  return new Promise<string>((resolve, reject) => {
    let text = "";
    const end = (settle: () => void): void => {
      input.off("data", take);
      signal.removeEventListener("abort", giveUp);
      write("\n");
      settle();
    };
    const giveUp = (): void => end(() => reject(new MillraceError("given up; nothing was changed")));
    const take = (chunk: string): void => {
      for (const character of chunk) {
        if (character === INTERRUPT) return giveUp();
        if (ENTER.has(character)) return end(() => resolve(text));
        text = ERASE.has(character) ? text.slice(0, -1) : text + character;
      }
    };
    signal.addEventListener("abort", giveUp, { once: true });
    input.on("data", take);
    input.resume();
  });
}
