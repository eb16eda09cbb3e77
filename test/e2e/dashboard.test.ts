// The dashboard in a real browser, by keyboard: sign in, look around, enrol an agent, see it come and synchronize.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { buildIfStale, DashboardPage, hasChromium, launchBrowser } from "#test/support/dashboard-browser.ts";
import { Plant, plantStack } from "#test/support/plant-stack.ts";
import { StackProcess, type ProcessStack } from "#test/support/process-stack.ts";

const EMAIL = "ada@example.com";

describe.skipIf(!hasChromium())("the dashboard", { retry: 0 }, () => {
  const plants: Plant[] = [];
  const agents: StackProcess[] = [];
  let stack: ProcessStack;
  let browser: Browser;
  let password = "";
  let dashboard: DashboardPage;

  beforeAll(async () => {
    await buildIfStale();
    plants.push(new Plant(), new Plant({ seed: 2 }));
    stack = await plantStack({ erp: plants[0] as Plant });
    const made = await stack.command("relay", [
      "user",
      "create",
      "--workspace",
      stack.workspaceId,
      "--email",
      EMAIL,
      "--role",
      "admin",
      "--json",
    ]);
    password = (JSON.parse(made) as { readonly password: string }).password;
    browser = await launchBrowser();
    const context = await browser.newContext({ baseURL: `http://127.0.0.1:${stack.relayPort}` });
    dashboard = new DashboardPage(await context.newPage());
  });
  afterAll(async () => {
    await browser?.close();
    for (const agent of agents) await agent.stop();
    await stack?.[Symbol.asyncDispose]();
    for (const plant of plants) plant[Symbol.dispose]();
  });
  it("asks who is there, says when the password is wrong, and lets in who belongs here", async () => {
    const { page } = dashboard;
    await page.goto("/");
    await page.getByRole("heading", { name: "Sign in to Millrace" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    // The first field has the focus already.
    await dashboard.type(EMAIL);
    await dashboard.press("Tab");
    await dashboard.type("not the password");
    await dashboard.press("Enter");
    await page.getByRole("alert").getByText("You are not signed in").waitFor();
    await page.getByLabel("Password").focus();
    await dashboard.press("Control+A");
    await dashboard.type(password);
    await dashboard.press("Enter");
    await dashboard.shows("Overview");
    await page.getByText("Live", { exact: true }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
  });

  it("goes to every screen by two keys, and the filter is in the address", async () => {
    const { page } = dashboard;
    await dashboard.press("g", "c");
    await dashboard.shows("Connections");
    await page.getByRole("link", { name: "erp" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("/");
    await dashboard.type("nothing like it");
    await page.getByRole("heading", { name: "No connection fits" }).waitFor();
    expect(new URL(page.url()).searchParams.get("q")).toBe("nothing like it");
    await dashboard.press("Escape");
    await page.getByRole("link", { name: "erp" }).waitFor();
    expect(new URL(page.url()).search).toBe("");
  });

  it("shows a connection come online by itself", async () => {
    const { page } = dashboard;
    const row = page.getByRole("row").filter({ hasText: "erp" });
    await row.getByText("Waiting for an agent").or(row.getByText("Offline")).waitFor();
    agents.push(stack.startAgent());
    await row.getByText("Online", { exact: true }).waitFor();
    await page.getByRole("link", { name: "erp" }).focus();
    await dashboard.press("Enter");
    await dashboard.shows("erp");
    await page.getByRole("cell", { name: "Purchase order" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
  });

  it("enrols an agent: the code, the moment it is here, and its first sync", async () => {
    const { page } = dashboard;
    await page.getByRole("heading", { level: 1 }).click();
    await dashboard.press("g", "a");
    await dashboard.shows("Agents");
    await dashboard.tabTo("Enrol an agent");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    // The name of the new connection has the focus.
    await dashboard.type("workshop");
    await dashboard.press("Enter");
    await page.getByText("Waiting for the agent to call").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    const command = await page.locator(".command pre").last().textContent();
    const code = /MILLRACE_ENROLLMENT_CODE=(\S+)/.exec(command ?? "")?.[1] ?? "";
    await enrol(code);
    await page.getByRole("heading", { level: 3, name: /is here$/ }).waitFor();
    await page.getByRole("dialog").getByText("Online", { exact: true }).first().waitFor();
    await page.getByRole("dialog").getByText("Work order", { exact: true }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("row").filter({ hasText: "workshop" }).getByText("Online").waitFor();
  });

  it("keeps the theme that was chosen, fits a small screen, and lets go of who signs out", async () => {
    const { page } = dashboard;
    await page.setViewportSize({ width: 420, height: 800 });
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("button", { name: "Theme: as the system" }).click();
    await page.reload();
    await dashboard.shows("Agents");
    expect(await page.locator("html").getAttribute("data-theme")).toBe("light");
    expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(420);
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Millrace" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Sign in to Millrace" }).waitFor();
    expect(dashboard.errors).toEqual([]);
  });

  /** As somebody at the plant would, with the code from the screen. */
  async function enrol(code: string): Promise<void> {
    const dataDir = join(stack.dir, "workshop");
    mkdirSync(dataDir, { recursive: true });
    const { more, ...connection } = (plants[1] as Plant).connection();
    const config = join(stack.dir, "workshop.yaml");
    const relay = { url: `ws://127.0.0.1:${stack.relayPort}` };
    const connections = [{ name: "workshop", ...connection, ...more }];
    writeFileSync(config, JSON.stringify({ relay, data_dir: dataDir, connections }));
    const log = join(stack.dir, "workshop.log");
    const enrolment = new StackProcess("agent/bin.mjs", ["enroll", "--code", code, "--config", config], log);
    expect({ code: await enrolment.ended(), said: enrolment.output }).toMatchObject({ code: 0 });
    agents.push(new StackProcess("agent/bin.mjs", ["run", "--config", config], log));
  }
});
