// Ends this process when its parent is gone, even while its own thread is stuck in a loop or in native code.
import { Worker } from "node:worker_threads";

/** The parent's id changes when an orphan is handed to another; on Windows the old id just stops answering. */
const WATCH = `
  const { workerData } = require("node:worker_threads");
  const gone = () => {
    if (process.ppid !== workerData.ppid) return true;
    try { process.kill(workerData.ppid, 0); return false; } catch (error) { return error.code === "ESRCH"; }
  };
  setInterval(() => { if (gone()) process.kill(process.pid, "SIGKILL"); }, 1000);
`;
const LIMITS = { maxOldGenerationSizeMb: 4, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

export function endWithParent(): void {
  const worker = new Worker(WATCH, {
    eval: true,
    workerData: { ppid: process.ppid },
    resourceLimits: LIMITS,
  });
  worker.unref();
}
