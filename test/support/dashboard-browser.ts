// The dashboard in a real Chromium: built, opened, walked by keyboard, and held to axe in both themes.
import { existsSync } from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium, type Browser, type Page } from "playwright-core";
import { buildDashboard, isStale } from "#relay/dashboard/build.mjs";
import { requireTier } from "./tiers.ts";

const CHROMIUM = "/usr/bin/chromium";
const WAIT_MS = 60_000;
/** Twice as many stops as any screen has: what had the focus may be gone, and then it goes on from there to the end first. */
const MAX_TABS = 200;
const FOCUSED_MS = 2_000;

/** For `describe.skipIf(!hasChromium())`. */
export function hasChromium(): boolean {
  return requireTier("chromium", isChromiumThere(), `${CHROMIUM} is not there; apt-get install chromium`);
}

export function isChromiumThere(): boolean {
  return existsSync(CHROMIUM);
}

/** Builds the dashboard where it is stale: before the relay starts, which reads the files once. */
export async function buildIfStale(): Promise<void> {
  if (isStale()) await buildDashboard();
}

export function launchBrowser(): Promise<Browser> {
  // The tests' user may be root, and containers share little memory.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page that collects what went wrong in it: errors, and what the policy refused. */
export class DashboardPage {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      // Answers that are refused are no mistake of the page.
      if (message.type() === "error" && !message.text().includes("Failed to load resource"))
        this.errors.push(message.text());
    });
  }

  /** From the beginning, by keyboard. */
  async signIn(email: string, password: string): Promise<void> {
    await this.page.goto("/");
    await this.page.getByRole("heading", { name: "Sign in to Millrace" }).waitFor();
    // The first field has the focus already.
    await this.type(email);
    await this.press("Tab");
    await this.type(password);
    await this.press("Enter");
    await this.shows("Overview");
  }

  /** Until a screen of this title is there and nothing in it is still fetched. */
  async shows(title: string): Promise<void> {
    await this.page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
    await this.page.locator("[aria-busy=true], .skeleton").first().waitFor({ state: "detached" });
  }

  /** Tab until what has the focus is called so. @throws when nothing is */
  async tabTo(name: string): Promise<void> {
    const seen: string[] = [];
    for (let tab = 0; tab < MAX_TABS; tab += 1) {
      await this.page.keyboard.press("Tab");
      const own = await this.#focused();
      if (own.includes(`"${name}"`)) return;
      seen.push(own);
    }
    throw new TypeError(`no way by Tab to "${name}"; there were: ${seen.join(" | ")}`);
  }

  /** As screen readers say it: `- button "Enrol an agent"`. Behind the last stop nothing has it. */
  async #focused(): Promise<string> {
    const focused = this.page.locator(":focus");
    if ((await focused.count()) === 0) return "nothing";
    // Gone meanwhile: the next one then. What it contains is on the lines after the first.
    const text = await focused
      .first()
      .ariaSnapshot({ timeout: FOCUSED_MS })
      .catch(() => "gone");
    return text.split("\n", 1)[0] ?? "";
  }

  /** Tab until something of the selector has the focus. @throws when nothing gets it */
  async tabToOne(selector: string): Promise<void> {
    for (let tab = 0; tab < MAX_TABS; tab += 1) {
      await this.page.keyboard.press("Tab");
      if ((await this.page.locator(`:is(${selector}):focus`).count()) > 0) return;
    }
    throw new TypeError(`no way by Tab to ${selector}`);
  }

  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text);
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** What axe finds, in light and dark, as `rule: element`. */
  async axe(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const { violations } = await new AxeBuilder({ page: this.page }).analyze();
      for (const { id, nodes } of violations)
        found.push(...nodes.map(({ target }) => `${colorScheme}: ${id}: ${target.join(" ")}`));
    }
    return found;
  }
}
