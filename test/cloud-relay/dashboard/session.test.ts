// Who is signed in, as the relay answers it and the dashboard reads it: the API's description, of which all else is made, leaves it out.
import { expect, test } from "vitest";
import { session, workspaceWord, type Session } from "#relay/dashboard/api/session-state.ts";
import { relayFixture } from "#test/cloud-relay/http/relay-fixture.ts";

/** Every member of a type; of objects theirs. The compiler asks for those that are added. */
type Members<T> = { readonly [Name in keyof T]-?: T[Name] extends string ? "string" : Members<T[Name]> };

const READ: Members<Session> = {
  user: { id: "string", email: "string", name: "string", role: "string" },
  workspace: { id: "string", name: "string" },
  csrf_token: "string",
};

test("the relay answers what the dashboard reads, when one signs in and later", async () => {
  await using relay = await relayFixture({});
  const password = "correct horse battery";
  const { workspaceId } = relay.acme;
  await relay.deps.users.create({ workspaceId, email: "ada@example.com", role: "operator", password });
  const headers = { host: "relay.test" };
  const payload = { email: "ada@example.com", password };
  const signedIn = await relay.app.inject({ method: "POST", url: "/v1/session", headers, payload });
  const cookie = String(signedIn.headers["set-cookie"]).split(";")[0] ?? "";
  const later = await relay.app.inject({
    method: "GET",
    url: "/v1/session",
    headers: { ...headers, cookie },
  });
  for (const answer of [signedIn, later]) {
    expect(answer.statusCode).toBe(200);
    expect(kindsOf(answer.json(), READ)).toEqual(READ);
  }
});

test("a workspace is named to a command line so that no shell cuts it", () => {
  const user = { id: "usr_1", email: "ada@example.com", name: "Ada", role: "viewer" } as const;
  const words = ["acme", "Acme & Sons", "acme.north_2"].map((name) => {
    session.value = { user, workspace: { id: "ws_1", name }, csrf_token: "" };
    return workspaceWord();
  });
  session.value = undefined;
  expect(words).toEqual(["acme", "ws_1", "acme.north_2"]);
});

/** Of what is read, which kind it is. */
function kindsOf(value: unknown, read: object): object {
  const of = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(read).map(([name, kind]) => [
      name,
      typeof kind === "object" && kind !== null ? kindsOf(of[name], kind) : typeof of[name],
    ]),
  );
}
