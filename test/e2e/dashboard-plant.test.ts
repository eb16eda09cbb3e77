// The dashboard over a real plant, by keyboard: each tab of a connection, the API log by request id, and telemetry whose gap is drawn as one.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataType, Variant } from "node-opcua";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { buildIfStale, DashboardPage, hasChromium, launchBrowser } from "#test/support/dashboard-browser.ts";
import { MACHINES_NAMESPACE, startOpcUaServer, type TestOpcUaServer } from "#test/support/opcua-server.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";

const EMAIL = "ada@example.com";
const WAIT_MS = 60_000;
const MINUTE_MS = 60_000;
const UNHEARD_MS = 20_000;
/** As the dashboard says it. */
const REASON = "No history";
const OPC_UA_USER = { name: "millrace", password: "secret" };
/** Its server keeps no history: what nobody heard is lost. */
const POINT = "Line1.Press.Pressure";
/** So few rows a second that the first sync is seen on its way. */
const LOAD = { rows_per_second: 60 };
const SYNC_MS = 120_000;
const ALLOW = {
  live_reads: true,
  writes: { purchase_order: { update: "apply", change_status: "hold", delete: "refuse" } },
};

describe.skipIf(!hasChromium())("the dashboard of a plant", { retry: 0 }, () => {
  const dir = mkdtempSync(join(tmpdir(), "millrace-dashboard-plant-"));
  let plant: Plant;
  let machines: TestOpcUaServer;
  let stack: ProcessStack;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    await buildIfStale();
    plant = new Plant();
    machines = await startOpcUaServer({
      pkiDir: join(dir, "pki"),
      users: { [OPC_UA_USER.name]: OPC_UA_USER.password },
      stepMs: 0,
    });
    // Before anything that is seen of it.
    say(1, Date.now() - 60 * MINUTE_MS);
    stack = await ProcessStack.create({
      connections: {
        erp: {
          ...plant.connection({ load: LOAD, allow: ALLOW, raw: true, poll: "1s", reconcile: "1h" }),
          settings: { file: plant.file, write: { allow: true } },
        },
        machines: {
          connector: "opc-ua",
          settings: {
            endpoint: machines.endpointUrl,
            user: OPC_UA_USER,
            server_fingerprint: machines.certificate.fingerprint,
            publishing_ms: 50,
            sampling_ms: 50,
            nodes: [{ node: `nsu=${MACHINES_NAMESPACE};s=${POINT}` }],
          },
        },
      },
    });
    const who = ["--workspace", stack.workspaceId, "--email", EMAIL, "--role", "admin", "--json"];
    const made = await stack.command("relay", ["user", "create", ...who]);
    const { password } = JSON.parse(made) as { readonly password: string };
    browser = await launchBrowser();
    const context = await browser.newContext({ baseURL: `http://127.0.0.1:${stack.relayPort}` });
    dashboard = new DashboardPage(await context.newPage());
    await dashboard.signIn(EMAIL, password);
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.[Symbol.asyncDispose]();
    await machines?.stop();
    plant?.[Symbol.dispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  it("shows a first sync on its way, what happened, and what the plant allows", async () => {
    const { page } = dashboard;
    await dashboard.press("g", "c");
    await dashboard.shows("Connections");
    await dashboard.tabTo("erp");
    await dashboard.press("Enter");
    await dashboard.shows("erp");
    await openTab("Sync runs");
    await page.getByRole("heading", { name: "No pass yet" }).waitFor();
    stack.startAgent();
    const running = page.getByRole("row").filter({ hasText: "Running" });
    await running
      .getByText(/^\d+ so far$/)
      .first()
      .waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.tabTo("All entities");
    await dashboard.type("Purchase");
    await page.getByRole("row").filter({ hasText: "Work order" }).first().waitFor({ state: "detached" });
    expect(new URL(page.url()).searchParams.get("entity")).toBe("purchase_order");
    const orders = page.getByRole("row").filter({ hasText: "snapshot" });
    await orders.getByText("Done").waitFor({ timeout: SYNC_MS });

    await openTab("Timeline");
    const timeline = page.locator(".timeline");
    await timeline.getByText("Online", { exact: true }).first().waitFor();
    await dashboard.tabTo("Everything that happened");
    await dashboard.type("Status");
    await timeline
      .getByText(/^for \d/)
      .first()
      .waitFor();
    expect(await dashboard.axe()).toEqual([]);

    await openTab("Capabilities");
    const row = page.getByRole("row").filter({ hasText: "Purchase order" });
    await row.getByText("after approval at the plant").waitFor();
    await row.getByText("refused").first().waitFor();
    expect(await dashboard.axe()).toEqual([]);
  });

  it("shows records, and the mapping with values of theirs", async () => {
    const { page } = dashboard;
    await openTab("Data");
    await page.locator("tbody .row-link").first().waitFor();
    await page.getByText(/in the order in which they changed/).waitFor();
    await page.getByRole("link", { name: "PM schedule" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    const { body } = await stack.get(
      `/v1/purchase-orders?connection_id=${stack.connectionId("erp")}&limit=100`,
    );
    const numbers = (body as { readonly data: readonly { readonly number: string }[] }).data;
    await openTab("Mapping");
    const number = page.getByRole("row").filter({ hasText: "PO.PONUM" });
    const shown = (await number.getByRole("cell").last().textContent()) ?? "";
    expect(numbers.map((order) => order.number)).toContain(shown);
    await dashboard.press("/");
    await dashboard.type("no such column");
    await page.getByRole("heading", { name: "No field fits" }).waitFor();
    await dashboard.tabTo("Clear the filters");
    await dashboard.press("Enter");
    await number.waitFor();
    expect(await dashboard.axe()).toEqual([]);
  });

  it("makes a token, finds by its id what the token asked, and revokes it", async () => {
    const { page } = dashboard;
    await openTab("Tokens");
    await dashboard.tabTo("Make a token");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    // The name has the focus.
    await dashboard.type("shop floor app");
    await dashboard.press("Enter");
    await page.getByRole("heading", { name: "The token" }).waitFor();
    const token = (await page.locator(".command pre").last().textContent()) ?? "";
    const id = await ask(token, 200);
    await dashboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await dashboard.tabTo("Revoke shop floor app");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    // What cannot be taken back has the focus, and says so.
    await dashboard.press("Enter");
    await page.getByRole("heading", { name: "No token of its own" }).waitFor();
    // Where it was opened is gone; the keyboard goes on all the same.
    const refused = await ask(token, 401);
    await dashboard.press("g", "l");
    await dashboard.shows("API log");
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("/");
    await dashboard.type(id);
    const rows = page.locator("tbody tr");
    await until("one request", async () => (await rows.count()) === 1, WAIT_MS);
    await dashboard.tabToOne("tbody .row-link");
    await dashboard.press("Enter");
    await page.locator("dt").filter({ hasText: "Request id" }).locator("+ dd").getByText(id).waitFor();
    await page.locator("dt").filter({ hasText: "Connection" }).locator("+ dd").getByText("erp").waitFor();
    await page.getByText("Ask it again").waitFor();
    expect(await page.content()).not.toContain(token);
    expect(await dashboard.axe()).toEqual([]);
    expect(refused).not.toBe(id);
  });

  it("draws a gap of telemetry as a gap: samples that nobody heard", async () => {
    const { page } = dashboard;
    await dashboard.press("g", "t");
    await dashboard.shows("Telemetry");
    await page.getByRole("link", { name: "Pressure" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    for (const value of [2, 3, 4]) {
      say(value, Date.now() - (5 - value) * MINUTE_MS);
      await page.getByRole("cell", { name: `${value} bar` }).waitFor();
    }
    await dashboard.tabTo("Pressure");
    await dashboard.press("Enter");
    await dashboard.shows("Pressure");
    await dashboard.tabTo("15 min");
    await dashboard.press("Enter");
    await page.getByRole("img", { name: / 3 samples .* 0 gaps$/ }).waitFor();
    expect((await drawn()).gapColumns).toBe(0);

    const stoppedMs = Date.now();
    await stack.stopAgent();
    // Nobody hears what the machine says, long enough to be seen in a quarter of an hour.
    await until("a wide gap", () => Date.now() - stoppedMs > UNHEARD_MS, WAIT_MS);
    stack.startAgent();
    await page.getByRole("img", { name: / 1 gap$/ }).waitFor({ timeout: SYNC_MS });
    say(6, Date.now());
    await page.getByRole("cell", { name: "6 bar" }).waitFor();
    await page.getByRole("heading", { name: "1 gap" }).waitFor();
    await page.getByRole("listitem").filter({ hasText: REASON }).waitFor();
    await until("the gap's band", async () => (await drawn()).gapColumns > 10, WAIT_MS);
    const picture = await drawn();
    expect(picture.lineColumns).toBeGreaterThan(20);
    expect(picture.lineInGap).toBe(0);
    expect(await dashboard.axe()).toEqual([]);

    await page.getByRole("link", { name: "machines" }).focus();
    await dashboard.press("Enter");
    await dashboard.shows("machines");
    await openTab("Gaps and rejects");
    await page.getByRole("row").filter({ hasText: REASON }).waitFor();
    await page.getByRole("heading", { name: "Every row became a record" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    expect(dashboard.errors).toEqual([]);
  });

  /** Of the connection that is shown. */
  async function openTab(title: string): Promise<void> {
    await dashboard.tabTo(title);
    await dashboard.press("Enter");
    await dashboard.page.locator('.tabs [aria-current="page"]').filter({ hasText: title }).waitFor();
  }

  /** Asks the API as a program would; resolves with the request's id. */
  async function ask(token: string, status: number): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${stack.relayPort}/v1/purchase-orders?limit=1`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(status);
    return response.headers.get("x-request-id") ?? "";
  }

  /** What the machine says, and since when. */
  function say(value: number, atMs: number): void {
    machines.set(POINT, new Variant({ dataType: DataType.Double, value }), atMs);
  }

  /** What stands on the chart's canvas, in columns of pixels: where a gap's edge is, and where the line is. */
  async function drawn(): Promise<{ gapColumns: number; lineColumns: number; lineInGap: number }> {
    return dashboard.page.evaluate(READ_CANVAS);
  }
});

/** As text: the page's own policy is not asked for what comes from beside it. A band has an edge in the colour of warnings. */
const READ_CANVAS = `(() => {
  const canvas = document.querySelector(".chart canvas");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const probe = document.createElement("span");
  canvas.parentElement.append(probe);
  const colour = (name) => {
    probe.style.color = "var(" + name + ")";
    return getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
  };
  const [gap, line] = [colour("--warn"), colour("--accent")];
  probe.remove();
  const columns = (of) => {
    const found = new Set();
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3] > 0 && of.every((part, n) => Math.abs(part - data[at + n]) < 24)) found.add((at / 4) % width);
    return found;
  };
  const [gapColumns, lineColumns] = [columns(gap), columns(line)];
  const inner = [...gapColumns].filter((x) => [-6, -3, 3, 6].every((step) => gapColumns.has(x + step)));
  return {
    gapColumns: gapColumns.size,
    lineColumns: lineColumns.size,
    lineInGap: inner.filter((x) => lineColumns.has(x)).length,
  };
})()`;
