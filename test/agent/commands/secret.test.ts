// `secret`: what it says, what it never says, and what it notes.
import { expect, it } from "vitest";
import { runCommandLine } from "#agent/commands/command-line.ts";
import type { SecretDesk } from "#agent/commands/secret.ts";
import { isSecretName } from "#agent/platform/secret-places.ts";
import { commandWorld } from "#test/support/command-context.ts";

const VALUE = "s3cret-CANARY";

function desk(stored: string[], uses: Readonly<Record<string, readonly string[]>> = {}): SecretDesk {
  return {
    list: () => stored.map((name) => ({ name, binding: "sealed" })),
    put: (name) => {
      stored.push(name);
      return { binding: "sealed", file: `/etc/x/${name}`, notes: ["a note"] };
    },
    drop: (name) => stored.includes(name),
    isName: isSecretName,
    restart: "restart it so",
    uses: new Map(Object.entries(uses)),
    inline: ["relay.proxy_password"],
  };
}

async function run(
  argv: string,
  at: SecretDesk,
  value = VALUE,
): Promise<{ code: number; out: string; err: string; noted: unknown[][] }> {
  const noted: unknown[][] = [];
  const world = commandWorld({
    openSecrets: () => at,
    readSecret: () => Promise.resolve(value),
    security: { note: (...event) => void noted.push(event) },
  });
  const code = await runCommandLine(argv.split(" "), "1.2.3", world.context);
  return { code, out: world.out(), err: world.err(), noted };
}

it("stores, says how it is protected and what uses it, and never the value", async () => {
  const { code, out, err, noted } = await run(
    "secret set erp",
    desk([], { erp: ["connections[0].settings.password"] }),
  );
  expect(code).toBe(0);
  expect(out).toContain("Stored erp: encrypted, only this machine opens it (/etc/x/erp).\na note\n");
  expect(out).toContain("Used by connections[0].settings.password. To use it now: restart it so");
  expect(noted).toEqual([["secret_stored", { secret: "erp", binding: "sealed", by: "anna" }]]);
  expect(out + err + JSON.stringify(noted)).not.toContain(VALUE);
});

it("says what to write when nothing refers to it yet", async () => {
  expect((await run("secret set erp", desk([]))).out).toContain('write "{credential:erp}" where it belongs');
});

it("lists what is stored, what is missing and what stands in the file", async () => {
  const at = desk(["erp"], { erp: ["a"], proxy: ["relay.proxy_password"] });
  const { out } = await run("secret list", at);
  expect(out).toContain("erp: encrypted, only this machine opens it; used by a\n");
  expect(out).toContain(
    "proxy: MISSING; used by relay.proxy_password; store it: millrace-agent secret set proxy\n",
  );
  expect(out).toContain("relay.proxy_password: stands in the configuration file as plain text");
  expect(JSON.parse((await run("secret list --json", at)).out)).toEqual({
    secrets: [{ name: "erp", binding: "sealed", used_by: ["a"] }],
    missing: ["proxy"],
    inline: ["relay.proxy_password"],
  });
});

it("removes, and warns of what still needs it", async () => {
  const { out, noted } = await run("secret remove erp", desk(["erp"], { erp: ["x.y"] }));
  expect(out).toBe("Removed erp. Still used by x.y: the agent will not start without it.\n");
  expect(noted).toEqual([["secret_removed", { secret: "erp", by: "anna" }]]);
  const none = await run("secret remove other", desk(["erp"]));
  expect([none.code, none.err]).toEqual([1, "There is no secret other; there: erp.\n"]);
});

it.each([
  ["secret", "<what> is missing"],
  ["secret show", "secret what?"],
  ["secret set", "which secret?"],
  ["secret set ../erp", "cannot be a secret's name"],
  ["secret set erp value", 'unexpected argument "value"'],
])("%s: %s", async (argv, message) => {
  const { code, err, noted } = await run(argv, desk([]));
  expect(code).not.toBe(0);
  expect(err).toContain(message);
  expect(noted).toEqual([]);
});

it("stores no empty secret", async () => {
  const { code, err } = await run("secret set erp", desk([]), "");
  expect([code, err]).toEqual([1, "no value came for erp; nothing was changed\n"]);
});
