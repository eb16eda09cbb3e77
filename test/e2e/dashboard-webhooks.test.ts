// The dashboard by keyboard alone: from sign-in to a record beside its row, and from a new endpoint to a delivery that fails and is sent again.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { buildIfStale, DashboardPage, hasChromium, launchBrowser } from "#test/support/dashboard-browser.ts";
import { until } from "#test/support/until.ts";
import { WebhookReceiver } from "#test/support/webhook-receiver.ts";
import { WebhookRelay } from "#test/support/webhook-relay.ts";

const EMAIL = "ada@example.com";
const VIEWER = "guest@example.com";
const HOOK = "/hook";
const WAIT_MS = 60_000;

describe.skipIf(!hasChromium())("the dashboard's webhooks", { retry: 0 }, () => {
  let relay: WebhookRelay;
  let receiver: WebhookReceiver;
  let browser: Browser;
  let dashboard: DashboardPage;
  let password = "";
  let viewerPassword = "";

  beforeAll(async () => {
    await buildIfStale();
    receiver = await WebhookReceiver.listen();
    receiver.answer = (_, response) => response.writeHead(500).end("out of order");
    relay = await WebhookRelay.create();
    const workspace = ["--workspace", relay.workspaceId];
    await relay.command(["connection", "create", ...workspace, "--name", "try", "--sandbox"]);
    password = await relay.user(EMAIL, "admin");
    viewerPassword = await relay.user(VIEWER, "viewer");
    await relay.start();
    browser = await launchBrowser();
    const context = await browser.newContext({ baseURL: relay.url });
    dashboard = new DashboardPage(await context.newPage());
  });
  afterAll(async () => {
    await browser?.close();
    await relay?.[Symbol.asyncDispose]();
    await receiver?.[Symbol.asyncDispose]();
  });

  it("shows a record beside the row that it came from, and which columns a field is from", async () => {
    const { page } = dashboard;
    await dashboard.signIn(EMAIL, password);
    await dashboard.press("g", "c");
    await dashboard.shows("Connections");
    await dashboard.tabTo("try");
    await dashboard.press("Enter");
    await dashboard.shows("try");
    await page.getByText("Online", { exact: true }).first().waitFor();
    await dashboard.tabTo("Data");
    await dashboard.press("Enter");
    await page.locator("tbody .row-link").first().waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.tabToOne("tbody .row-link");
    const key = await page.locator(":focus").textContent();
    await dashboard.press("Enter");
    await dashboard.shows(key ?? "");
    const unified = page.getByRole("table", { name: "Fields of the record" });
    const raw = page.getByRole("table", { name: "Columns of the source's row" });
    await raw.waitFor();
    await dashboard.tabTo("number");
    await dashboard.press("Enter");
    await unified.locator("tr[data-marked]").filter({ hasText: "number" }).waitFor();
    await raw.locator("tr[data-marked]").filter({ hasText: "to number" }).waitFor();
    expect(new URL(page.url()).searchParams.get("field")).toBe("number");
    expect(await dashboard.axe()).toEqual([]);
  });

  it("adds an endpoint, and shows its secret once", async () => {
    const { page } = dashboard;
    await dashboard.press("g", "w");
    await dashboard.shows("Webhooks");
    await page.getByRole("heading", { name: "No endpoint yet" }).waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.tabTo("Add an endpoint");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    // The address has the focus; after it come the name and the connection.
    await dashboard.type(receiver.url(HOOK));
    await dashboard.press("Tab");
    await dashboard.type("orders");
    await dashboard.press("Tab");
    await dashboard.type("plant");
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("Shift+Tab", "Enter");
    await page.getByRole("heading", { name: "The secret of orders" }).waitFor();
    await page
      .getByRole("dialog")
      .getByText(/^whsec_/)
      .waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("row").filter({ hasText: "orders" }).getByText("Working").waitFor();
    expect(await page.content()).not.toContain("whsec_");
  });

  it("shows a delivery that failed with its next try, and sends it again", async () => {
    const { page } = dashboard;
    const [eventId = ""] = await relay.emit(1);
    await dashboard.tabTo("Deliveries");
    await dashboard.press("Enter");
    await dashboard.shows("Webhook deliveries");
    const row = page.getByRole("row").filter({ hasText: eventId });
    await row.getByText("Waiting to retry").waitFor();
    await row.getByText("HTTP 500").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.tabToOne("tbody .row-link");
    await dashboard.press("Enter");
    await dashboard.shows("work_order.created");
    const next = page.locator("dt").filter({ hasText: "Next retry" }).locator("+ dd");
    await next.locator("time").first().waitFor();
    await page.getByRole("list", { name: "Phases of try 1" }).getByText("In all").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    receiver.answer = (_, response) => response.end("thanks");
    await dashboard.tabTo("Retry now");
    await dashboard.press("Enter");
    // Unless its own time had come in the same moment.
    const byHand = page.getByText("Manual", { exact: true });
    await byHand.or(page.getByText("It is on its way already.")).first().waitFor();
    await page.getByText("Delivered", { exact: true }).waitFor();
    await next.getByText("none").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    expect([...receiver.counts(HOOK).keys()]).toEqual([eventId]);
    expect(receiver.received.length).toBeGreaterThan(1);
  });

  it("sends all that fit the filters again", async () => {
    const { page } = dashboard;
    const before = receiver.received.length;
    await dashboard.tabTo("← Deliveries");
    await dashboard.press("Enter");
    await dashboard.shows("Webhook deliveries");
    await dashboard.tabTo("All states");
    await dashboard.type("Delivered");
    await page.waitForURL(/state=delivered/);
    await dashboard.tabTo("Retry all that fit");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("Enter");
    await page.getByText("1 delivery on the way.").waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await until("it to come again", () => receiver.received.length > before, WAIT_MS);
    expect(receiver.counts(HOOK).size).toBe(1);
  });

  it("tests an endpoint, and changes what it is told and how fast", async () => {
    const { page } = dashboard;
    await page.getByRole("link", { name: "orders" }).first().focus();
    await dashboard.press("Enter");
    await dashboard.shows("orders");
    await dashboard.tabTo("Send a test");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await dashboard.tabTo("Send it");
    await dashboard.press("Enter");
    await page.getByRole("dialog").getByText("HTTP 200").waitFor();
    expect(JSON.parse(receiver.received.at(-1)?.body ?? "")).toMatchObject({ test: true });
    await dashboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await dashboard.tabTo("Change");
    await dashboard.press("Enter");
    await dashboard.tabToOne(".check-line:has-text('snapshot') input");
    await dashboard.press("Space");
    await dashboard.tabTo("A second");
    await dashboard.type("0");
    await page.getByText("A whole number from 1 to 1,000").waitFor();
    expect(await dashboard.axe()).toEqual([]);
    await dashboard.press("Home");
    await dashboard.type("5");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // The keyboard is where it was before.
    expect(await page.locator(":focus").textContent()).toBe("Change");
    await page
      .locator("dt")
      .filter({ hasText: "Records' events of" })
      .locator("+ dd")
      .getByText("change, snapshot")
      .waitFor();
    await page.locator("dt").filter({ hasText: "A second" }).locator("+ dd").getByText("50").waitFor();
    expect(await dashboard.axe()).toEqual([]);
  });

  it("erases what was sent", async () => {
    const { page } = dashboard;
    await page.goto("/dashboard/webhooks/deliveries?type=work_order.created");
    await dashboard.shows("Webhook deliveries");
    await dashboard.tabToOne("tbody .row-link");
    await dashboard.press("Enter");
    await dashboard.shows("work_order.created");
    await dashboard.tabTo("Erase");
    await dashboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await dashboard.tabTo("Erase");
    await dashboard.press("Enter");
    await page.getByText("Not held any more: it cannot be sent again.").waitFor();
    await page.getByRole("button", { name: "Retry now" }).waitFor({ state: "detached" });
    expect(dashboard.errors).toEqual([]);
  });

  it("offers nobody what the relay would refuse them", async () => {
    const context = await browser.newContext({ baseURL: relay.url });
    const guest = new DashboardPage(await context.newPage());
    await guest.signIn(VIEWER, viewerPassword);
    await guest.page.getByText("API errors in 24 h").waitFor();
    expect(await guest.page.getByRole("link", { name: /API/ }).count()).toBe(0);
    await guest.press("g", "w");
    await guest.shows("Webhooks");
    await guest.page.getByRole("link", { name: "orders" }).waitFor();
    expect(await guest.page.getByRole("button", { name: "Add an endpoint" }).count()).toBe(0);
    await guest.page.goto("/dashboard/requests");
    await guest.page.getByRole("heading", { name: "API log is for the role admin" }).waitFor();
    expect(guest.errors).toEqual([]);
  });
});
