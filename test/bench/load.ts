// A process of its own that changes rows of a source at a steady rate, so that whoever measures is not held up by it.
import { BenchSource } from "./bench-source.ts";

const [, , file = "", rowsText = "", rateText = ""] = process.argv;
const rows = Number(rowsText);
const STEP_MS = 100;
const step = Math.round((Number(rateText) * STEP_MS) / 1_000);
const source = BenchSource.open(file);
const startMs = performance.now();
let steps = 0;

/** Steps that were missed are made up for, so that the rate holds. */
function work(): void {
  while (performance.now() - startMs >= steps * STEP_MS) {
    source.touch((steps * step) % (rows - step), step);
    steps += 1;
  }
}

const timer = setInterval(work, STEP_MS / 4);
process.on("message", () =>
  process.send?.({ changes: steps * step, elapsedMs: performance.now() - startMs }),
);
process.on("disconnect", () => {
  clearInterval(timer);
  source[Symbol.dispose]();
});
