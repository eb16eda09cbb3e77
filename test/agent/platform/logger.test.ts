// Log lines: JSON, levels, and no secret in any of them.
import { describe, expect, it } from "vitest";
import { createLogger } from "#agent/platform/logger.ts";
import type { Logger } from "#common/runtime/logger.ts";

function logInto(lines: Record<string, unknown>[], secrets: string[], raw: string[] = []): Logger {
  return createLogger({
    level: "info",
    secrets,
    destination: {
      write: (line: string) => {
        raw.push(line);
        lines.push(JSON.parse(line) as Record<string, unknown>);
      },
    },
  });
}

describe("the logger", () => {
  it("writes one JSON object a line, from its level up, with the child's fields", () => {
    const lines: Record<string, unknown>[] = [];
    const log = logInto(lines, []).child({ connection: "erp" });
    log.debug({}, "not this");
    log.warn({ reason: "hung" }, "room ended");
    expect(lines).toEqual([
      { level: "warn", time: expect.any(String), connection: "erp", reason: "hung", message: "room ended" },
    ]);
  });

  it("writes no secret, in no field, message, error or spelling", () => {
    const raw: string[] = [];
    const secret = 'pa"ss w\\rd$&';
    const log = logInto([], [secret, "x"], raw);
    log.info({ nested: { list: [secret] }, err: new Error(`login with ${secret} failed`) }, `used ${secret}`);
    log.error({ url: `http://h/?p=${encodeURIComponent(secret)}` }, Buffer.from(secret).toString("base64"));
    log.child({ token: secret }).info({}, "postgres://user:other@host/db");
    const text = raw.join("");
    expect(text).not.toMatch(/pa.{0,2}ss|other@/);
    expect(text).not.toContain(Buffer.from(secret).toString("base64"));
    expect(text).toContain("used ***");
    expect(text).toContain("postgres://user:***@host/db");
    // A one-letter "secret" would make the log unreadable.
    expect(text).toContain("nested");
    for (const line of raw) expect(() => JSON.parse(line)).not.toThrow();
  });
});
