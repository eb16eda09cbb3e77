// A logged request as a command that asks the same again; the token comes from the reader's own environment.

export interface CurlRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly request_body: string | null;
}

/** For a POSIX shell. `origin`: of the relay, without a path. */
export function curlText({ method, url, request_body: body }: CurlRequest, origin: string): string {
  const parts = [
    method === "GET" ? "curl" : `curl -X ${method}`,
    quoted(new URL(url, origin).href),
    '-H "Authorization: Bearer $MILLRACE_TOKEN"',
    ...(body === null || body === ""
      ? []
      : ["-H 'Content-Type: application/json'", `--data ${quoted(body)}`]),
  ];
  return parts.join(" \\\n  ");
}

/** In single quotes nothing is special but the quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** JSON that was cut or is none is shown as it is. */
export function readableBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
