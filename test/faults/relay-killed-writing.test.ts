// The relay is killed again and again while writes are accepted, sent and told: every key has one effect, or an honest no.
import { expect, test } from "vitest";
import { Plant } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { WritingStack, type Answer } from "#test/support/writing-stack.ts";

const WRITES = 24;
const KILLS = 4;
const PATIENCE_MS = 150_000;

/** As a careful client does it: the same key until there is an answer that counts. */
async function create(api: WritingStack, title: string, site: string): Promise<Answer> {
  const body = { connection_id: api.connectionId, site, title };
  const ask = async (): Promise<Answer | undefined> => {
    const headers = { "idempotency-key": title.replaceAll(" ", "-") };
    const answer = await api.send("POST", "/v1/work-orders", body, headers).catch(() => undefined);
    return answer === undefined || [202, 409, 503].includes(answer.status) ? undefined : answer;
  };
  return until(`an answer for ${title}`, ask, PATIENCE_MS);
}

test("kill -9 of the relay at any moment: a key stands for one order, and every operation ends", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const site = plant.db.prepare("SELECT SITEID FROM WORKORDER LIMIT 1").pluck().get() as string;
  const titles = Array.from({ length: WRITES }, (_, n) => `killed ${n}`);
  const over = new AbortController();
  const killing = (async () => {
    for (let kill = 0; kill < KILLS && !over.signal.aborted; kill += 1) {
      await api.stack.relay?.says("agent connected", 60_000);
      // Another moment of a write each time.
      await new Promise((resolve) => {
        setTimeout(resolve, kill * 23);
      });
      await api.stack.relay?.kill();
      await api.stack.startRelay();
    }
  })();
  const answers: Answer[] = [];
  const waiting = [...titles];
  const client = async (): Promise<void> => {
    for (let title = waiting.shift(); title !== undefined; title = waiting.shift())
      answers.push(await create(api, title, site));
  };
  await Promise.all([client(), client(), client()]);
  over.abort();
  await killing;
  expect(answers.map(({ status, body }) => [status, body.detail])).toEqual(
    titles.map(() => [201, undefined]),
  );
  const counted = plant.db.prepare("SELECT count(*) FROM WORKORDER WHERE DESCRIPTION = ?").pluck();
  const counts = titles.map((title) => counted.get(title));
  expect(counts).toEqual(titles.map(() => 1));
  await until(
    "every operation to end",
    async () => {
      const { body } = await api.send("GET", "/v1/operations?limit=200");
      return body.data.every((one: { readonly is_finished: boolean }) => one.is_finished);
    },
    PATIENCE_MS,
  );
  const { body } = await api.send("GET", "/v1/events?types=command.finished&limit=200");
  const told = body.data.map(
    (event: { readonly data: { readonly command_id: string } }) => event.data.command_id,
  );
  expect(new Set(told).size).toBe(told.length);
});
