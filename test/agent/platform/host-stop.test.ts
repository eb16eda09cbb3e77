// The Windows service host's word to stop, on a stream in place of standard input.
import { PassThrough } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { listenForHostStop } from "#agent/platform/host-stop.ts";

const BY_HOST = { MILLRACE_STOP_BY_STDIN: "1" };

describe("listenForHostStop", () => {
  it("stops once at the host's line, and not again at the input's end", async () => {
    const input = new PassThrough();
    const onStop = vi.fn<() => void>();
    listenForHostStop(BY_HOST, () => input, onStop);
    input.write("st");
    input.write("op\n");
    input.end();
    await vi.waitFor(() => expect(input.destroyed).toBe(true), 30_000);
    expect(onStop).toHaveBeenCalledTimes(1);
  });

  it("takes no other line for it", async () => {
    const input = new PassThrough();
    const onStop = vi.fn<() => void>();
    listenForHostStop(BY_HOST, () => input, onStop);
    input.write(`do not stop\n${"x".repeat(500)}stop`);
    await vi.waitFor(() => expect(input.readableLength).toBe(0), 30_000);
    expect(onStop).not.toHaveBeenCalled();
    input.write("\nstop\r\n");
    await vi.waitFor(() => expect(onStop).toHaveBeenCalledTimes(1), 30_000);
  });

  it("stops when the host is gone", async () => {
    const input = new PassThrough();
    const onStop = vi.fn<() => void>();
    listenForHostStop(BY_HOST, () => input, onStop);
    input.end();
    await vi.waitFor(() => expect(onStop).toHaveBeenCalledTimes(1), 30_000);
  });

  it("does not touch the input where no host said that it would use it", () => {
    const input = vi.fn<() => PassThrough>();
    listenForHostStop({ MILLRACE_SERVICE_HOST: "C:\\host.exe" }, input, () => {});
    expect(input).not.toHaveBeenCalled();
  });
});
