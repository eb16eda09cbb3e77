// As much of curl as the documents use, so that their examples run on machines without it. Notes each answer's status in $CURL_LOG.
import { appendFileSync } from "node:fs";

/** Of a stream: what it begins with is enough. */
const STREAM_CHUNKS = 1;

interface Call {
  url: string;
  method: string | undefined;
  body: string | undefined;
  readonly headers: Record<string, string>;
  isWithHead: boolean;
  isStream: boolean;
}

function read(words: readonly string[]): Call {
  const call: Call = {
    url: "",
    method: undefined,
    body: undefined,
    headers: {},
    isWithHead: false,
    isStream: false,
  };
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "-X") call.method = rest.shift();
    else if (word === "-d") call.body = rest.shift();
    else if (word === "-H") {
      const [, name = "", value = ""] = /^([^:]+): ?(.*)$/.exec(rest.shift() ?? "") ?? [];
      call.headers[name] = value;
    } else if (word.startsWith("-")) {
      if (!/^-[siN]+$/.test(word)) throw new TypeError(`${word} is not known here; add it to curl.ts`);
      call.isWithHead ||= word.includes("i");
      call.isStream ||= word.includes("N");
    } else call.url = word;
  }
  return call;
}

async function run({ url, method, body, headers, isWithHead, isStream }: Call): Promise<void> {
  const abort = new AbortController();
  const answer = await fetch(url, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers,
    signal: abort.signal,
    ...(body !== undefined && { body }),
  });
  const log = process.env["CURL_LOG"];
  if (log !== undefined) appendFileSync(log, `${JSON.stringify({ status: answer.status, url })}\n`);
  if (isWithHead) {
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}\n`);
    process.stdout.write(`HTTP/1.1 ${answer.status}\n${lines.join("")}\n`);
  }
  if (!isStream) process.stdout.write(await answer.text());
  else if (answer.body !== null) {
    const reader = answer.body.getReader();
    for (let chunk = 0; chunk < STREAM_CHUNKS; chunk += 1) {
      const { value } = await reader.read();
      process.stdout.write(Buffer.from(value ?? []));
    }
    abort.abort();
  }
}

await run(read(process.argv.slice(2)));
