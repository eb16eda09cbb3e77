// What a room's process writes to stdout and stderr, as bounded log lines; remembers its last words.
import { StringDecoder } from "node:string_decoder";
import type { Clock } from "#common/runtime/clock.ts";

/** Longer lines are cut. */
const MAX_LINE_CHARS = 4_000;
/** Lines let through in one window; the rest is counted. */
const MAX_LINES_PER_WINDOW = 100;
const WINDOW_MS = 10_000;
/** How far back last words are looked for: a stack and Node's own trailer follow the line that matters. */
const REMEMBERED_LINES = 40;

const TELLING = /\b\w*(Error|Exception)\b|FATAL|Uncaught|out of memory/;
/** Node's source excerpt, stack frames, closing line and native frames. */
const NOISE = /^(\s*at |\s*\^|\s*$|Node\.js v|throw |\s*throw |node:|file:|-----|\s*\d+: 0x|[{}\]])/;

export class LineCapture {
  readonly #clock: Clock;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  readonly #recent: string[] = [];
  #partial = "";
  #windowEndsAtMs = 0;
  #linesInWindow = 0;
  #suppressed = 0;

  constructor(clock: Clock, onLine: (line: string) => void) {
    this.#clock = clock;
    this.#onLine = onLine;
  }

  write(chunk: Uint8Array): void {
    const lines = (this.#partial + this.#decoder.write(Buffer.from(chunk))).split(/\r?\n/);
    // What exceeds a line's limit is dropped here, so that a line without end costs no memory.
    this.#partial = (lines.pop() ?? "").slice(0, MAX_LINE_CHARS);
    for (const line of lines) this.#take(line);
  }

  /** The process is gone: what it left unfinished is a line too. */
  end(): void {
    if (this.#partial !== "") this.#take(this.#partial);
    this.#partial = "";
    this.#tellSuppressed();
  }

  /** The last line that names an error, else the last that is not noise. */
  get lastWords(): string | undefined {
    const words =
      this.#recent.findLast((line) => TELLING.test(line) && !NOISE.test(line)) ??
      this.#recent.findLast((line) => !NOISE.test(line));
    return words?.trim().slice(0, 500);
  }

  #take(whole: string): void {
    const line = whole.slice(0, MAX_LINE_CHARS);
    if (line.trim() === "") return;
    this.#recent.push(line);
    if (this.#recent.length > REMEMBERED_LINES) this.#recent.shift();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndsAtMs) {
      this.#tellSuppressed();
      this.#windowEndsAtMs = nowMs + WINDOW_MS;
      this.#linesInWindow = 0;
    }
    this.#linesInWindow += 1;
    if (this.#linesInWindow > MAX_LINES_PER_WINDOW) this.#suppressed += 1;
    else this.#onLine(line);
  }

  #tellSuppressed(): void {
    if (this.#suppressed > 0) this.#onLine(`(${this.#suppressed} more lines left out)`);
    this.#suppressed = 0;
  }
}
