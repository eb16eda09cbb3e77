// Signing in to the dashboard: sessions answer the API like tokens of their workspace, and nobody else can use them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { relayFixture, type RelayFixture } from "./relay-fixture.ts";

const PASSWORD = "correct horse battery";
const HOUR_MS = 3_600_000;

let relay: RelayFixture;
const clock = new FakeClock();

beforeAll(async () => {
  relay = await relayFixture({ clock });
});
afterAll(() => relay[Symbol.asyncDispose]());

let users = 0;
async function newUser(role: "viewer" | "operator" | "admin" = "viewer", owner = relay.acme) {
  users += 1;
  const email = `user${users}@example.com`;
  const { user } = await relay.deps.users.create({
    workspaceId: owner.workspaceId,
    email,
    role,
    password: PASSWORD,
  });
  return { email, id: user.id };
}

async function signIn(email: string, password = PASSWORD, headers: Record<string, string> = {}) {
  const answer = await relay.app.inject({
    method: "POST",
    url: "/v1/session",
    headers: { host: "relay.test", ...headers },
    payload: { email, password },
  });
  const cookie = String(answer.headers["set-cookie"] ?? "").split(";")[0] ?? "";
  return { answer, cookie, body: answer.json() };
}

async function signedIn(role: "viewer" | "operator" | "admin" = "viewer") {
  const { email, id } = await newUser(role);
  const { cookie, body } = await signIn(email);
  const ask = (method: "GET" | "POST" | "PATCH" | "DELETE", url: string, payload?: object, csrf?: string) =>
    relay.app.inject({
      method,
      url,
      headers: {
        cookie,
        host: "relay.test",
        ...(csrf === undefined ? {} : { "x-csrf-token": csrf }),
      },
      ...(payload === undefined ? {} : { payload }),
    });
  return { email, id, cookie, csrf: body.csrf_token as string, ask };
}

describe("signing in", () => {
  it("sets a cookie that scripts cannot read, and the cookie reads the workspace's data", async () => {
    const { email } = await newUser();
    const { answer, cookie, body } = await signIn(email.toUpperCase());
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["set-cookie"]).toMatch(
      /^mr_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/,
    );
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(body).toMatchObject({
      user: { email, role: "viewer", workspace_id: relay.acme.workspaceId },
      workspace: { id: relay.acme.workspaceId, name: "acme" },
    });
    const list = await relay.app.inject({ url: "/v1/connections", headers: { cookie } });
    expect(list.statusCode).toBe(200);
    const ids = (list.json().data as { workspace_id: string }[]).map((row) => row.workspace_id);
    expect(new Set(ids)).toEqual(new Set([relay.acme.workspaceId]));
  });

  it("keeps neither password nor cookie", async () => {
    const { email } = await newUser();
    const { cookie } = await signIn(email);
    const user = await relay.store.users.byEmail(email);
    expect(user?.passwordHash).toMatch(/^scrypt\$/);
    expect(user?.passwordHash).not.toContain(PASSWORD);
    expect(await relay.store.users.session(cookie.slice("mr_session=".length))).toBeUndefined();
  });

  it("says the same for a wrong password, an unknown address and a disabled user", async () => {
    const { email, id } = await newUser();
    const wrong = await signIn(email, "not the password");
    await relay.deps.users.change(relay.acme.workspaceId, id, { disabled: true });
    const disabled = await signIn(email);
    const unknown = await signIn("nobody@example.com");
    for (const { answer, body } of [wrong, disabled, unknown]) {
      expect(answer.statusCode).toBe(401);
      expect(body).toMatchObject({
        code: "AUTHENTICATION_FAILED",
        detail: "The e-mail address or the password is not right.",
      });
    }
  });

  it("slows down who guesses, and lets them in again when the time has passed", async () => {
    const { email } = await newUser();
    for (let count = 0; count < 10; count += 1) await signIn(email, "a wrong guess");
    const blocked = await signIn(email);
    expect(blocked.answer.statusCode).toBe(429);
    expect(blocked.body.code).toBe("RATE_LIMIT_EXCEEDED");
    const waitS = Number(blocked.answer.headers["retry-after"]);
    expect(waitS).toBeGreaterThan(0);
    clock.advance(waitS * 1_000);
    expect((await signIn(email)).answer.statusCode).toBe(200);
  });

  it("is refused from a page of another site", async () => {
    const { email } = await newUser();
    const { answer } = await signIn(email, PASSWORD, { origin: "https://evil.example" });
    expect(answer.statusCode).toBe(403);
    expect((await signIn(email, PASSWORD, { origin: "http://relay.test" })).answer.statusCode).toBe(200);
  });
});

describe("a session", () => {
  it("changes nothing without its CSRF token, nor from another site", async () => {
    const { ask, csrf, cookie } = await signedIn("admin");
    const body = { email: "made@example.com", role: "viewer" };
    expect((await ask("POST", "/admin/v1/users", body)).statusCode).toBe(403);
    expect((await ask("POST", "/admin/v1/users", body, "another")).statusCode).toBe(403);
    const foreign = await relay.app.inject({
      method: "POST",
      url: "/admin/v1/users",
      headers: { cookie, host: "relay.test", origin: "https://evil.example", "x-csrf-token": csrf },
      payload: body,
    });
    expect(foreign.statusCode).toBe(403);
    expect(await relay.store.users.byEmail("made@example.com")).toBeUndefined();
    expect((await ask("POST", "/admin/v1/users", body, csrf)).statusCode).toBe(201);
  });

  it("may do what its role may", async () => {
    const may = async (role: "viewer" | "operator" | "admin"): Promise<readonly number[]> => {
      const { ask, csrf } = await signedIn(role);
      const write = { connection_id: relay.acme.connectionId };
      return [
        (await ask("GET", "/v1/connections")).statusCode,
        (await ask("POST", "/v1/work-orders", write, csrf)).statusCode,
        (await ask("GET", "/admin/v1/users")).statusCode,
      ];
    };
    expect(await may("viewer")).toEqual([200, 403, 403]);
    const [reads, writes, administers] = await may("operator");
    expect([reads, administers]).toEqual([200, 403]);
    expect(writes).not.toBe(403);
    expect((await may("admin"))[2]).toBe(200);
  });

  it("sees no other workspace", async () => {
    const { ask } = await signedIn("admin");
    const foreign = await ask("GET", `/admin/v1/users?workspace_id=${relay.rival.workspaceId}`);
    expect(foreign.statusCode).toBe(404);
    expect((await ask("GET", `/v1/connections/${relay.rival.connectionId}`)).statusCode).toBe(404);
  });

  it("ends at once when the user signs out, is disabled, gets another role or password", async () => {
    const alive = async (session: Awaited<ReturnType<typeof signedIn>>): Promise<number> =>
      (await session.ask("GET", "/v1/session")).statusCode;
    const out = await signedIn();
    expect((await out.ask("DELETE", "/v1/session", undefined, out.csrf)).statusCode).toBe(204);
    expect(await alive(out)).toBe(401);
    for (const change of [
      { disabled: true },
      { role: "operator" as const },
      { password: "another password" },
    ]) {
      const session = await signedIn();
      expect(await alive(session)).toBe(200);
      await relay.deps.users.change(relay.acme.workspaceId, session.id, change);
      expect(await alive(session)).toBe(401);
      expect((await session.ask("GET", "/v1/connections")).statusCode).toBe(401);
    }
  });

  it("ends when it was not used for half a day, and after a week however much it is used", async () => {
    const idle = await signedIn();
    const used = await signedIn();
    for (let hour = 0; hour < 13; hour += 1) {
      clock.advance(HOUR_MS);
      expect((await used.ask("GET", "/v1/session")).statusCode).toBe(200);
    }
    expect((await idle.ask("GET", "/v1/session")).statusCode).toBe(401);
    for (let hour = 13; hour < 7 * 24 - 1; hour += 1) {
      clock.advance(HOUR_MS);
      expect((await used.ask("GET", "/v1/session")).statusCode).toBe(200);
    }
    clock.advance(2 * HOUR_MS);
    expect((await used.ask("GET", "/v1/session")).statusCode).toBe(401);
    expect(await relay.deps.users.prune()).toBeGreaterThan(0);
  });

  it("changes its own password by the current one", async () => {
    const { ask, csrf, email } = await signedIn();
    const wanted = "a better password";
    const wrong = { current_password: "guessed wrong", new_password: wanted };
    expect((await ask("POST", "/v1/session/password", wrong, csrf)).statusCode).toBe(401);
    const right = { current_password: PASSWORD, new_password: wanted };
    expect((await ask("POST", "/v1/session/password", right, csrf)).statusCode).toBe(204);
    expect((await signIn(email)).answer.statusCode).toBe(401);
    expect((await signIn(email, wanted)).answer.statusCode).toBe(200);
  });
});

describe("users", () => {
  it("are made with a password that is shown once, listed, changed and deleted", async () => {
    const { ask, csrf } = await signedIn("admin");
    const made = await ask("POST", "/admin/v1/users", { email: "Eve@Example.com", role: "viewer" }, csrf);
    expect(made.statusCode).toBe(201);
    const { id, password, email } = made.json();
    expect(email).toBe("eve@example.com");
    expect((await signIn(email, password)).answer.statusCode).toBe(200);
    const again = await ask("POST", "/admin/v1/users", { email, role: "viewer" }, csrf);
    expect(again.json()).toMatchObject({ status: 409, code: "CONFLICT" });
    const listed = (await ask("GET", "/admin/v1/users?limit=200")).json().data as { id: string }[];
    expect(listed.find((user) => user.id === id)).not.toHaveProperty("password");
    const changed = await ask("PATCH", `/admin/v1/users/${id}`, { role: "operator" }, csrf);
    expect(changed.json()).toMatchObject({ id, role: "operator" });
    expect((await ask("DELETE", `/admin/v1/users/${id}`, undefined, csrf)).statusCode).toBe(204);
    expect((await ask("DELETE", `/admin/v1/users/${id}`, undefined, csrf)).statusCode).toBe(404);
    expect((await signIn(email, password)).answer.statusCode).toBe(401);
  });

  it("keep an admin: the last one is neither deleted nor made less", async () => {
    const { user } = await relay.deps.users.create({
      workspaceId: relay.rival.workspaceId,
      email: "only@example.com",
      role: "admin",
    });
    const { workspaceId, id } = user;
    await expect(relay.deps.users.remove(workspaceId, id)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(relay.deps.users.change(workspaceId, id, { disabled: true })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await relay.deps.users.create({ workspaceId, email: "second@example.com", role: "admin" });
    await relay.deps.users.remove(workspaceId, id);
    expect(await relay.store.users.byId(id)).toBeUndefined();
  });

  it("need a usable address and a password that is long enough", async () => {
    const { ask, csrf } = await signedIn("admin");
    const bad = await ask("POST", "/admin/v1/users", { email: "not an address", role: "viewer" }, csrf);
    expect(bad.json().errors).toEqual([{ pointer: "#/email", detail: "must be an e-mail address" }]);
    const short = await ask(
      "POST",
      "/admin/v1/users",
      { email: "a@b.example", role: "viewer", password: "short" },
      csrf,
    );
    expect(short.json()).toMatchObject({ status: 400, errors: [{ pointer: "#/password" }] });
  });
});

describe("the dashboard's pages", () => {
  it("come with a policy that loads nothing from elsewhere, and unknown files are none", async () => {
    const page = await relay.app.inject({ url: "/dashboard/connections/1" });
    expect(page.statusCode).toBe(200);
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const missing = await relay.app.inject({ url: "/dashboard/assets/none.js" });
    expect(missing.statusCode).toBe(404);
    const again = await relay.app.inject({
      url: "/dashboard",
      headers: { "if-none-match": String(page.headers["etag"]) },
    });
    expect(again.statusCode).toBe(304);
    expect((await relay.app.inject({ url: "/" })).headers["location"]).toBe("/dashboard");
  });
});
