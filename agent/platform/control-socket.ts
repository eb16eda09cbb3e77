// The local control endpoint: a Unix socket or named pipe that speaks one JSON line each way.
import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import type { ControlHandlers, ControlRequest, OperateAction } from "#agent/core/control.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;
const MAX_CLIENTS = 16;
/** A client that says nothing, or an agent that answers nothing. */
const SILENCE_MS = 5_000;
/** `sun_path` holds 108 bytes on Linux and 104 on macOS, final zero included. */
const MAX_SOCKET_PATH_BYTES = 103;

const MAX_NAME_CHARS = 200;
const MAX_REASON_CHARS = 500;

const OPERATIONS: ReadonlySet<string> = new Set(["confirm_deletes", "sync", "resync", "pause", "resume"]);

type ControlResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string };

/** The agent could not be asked, or refused; the message is for people. */
export class ControlError extends MillraceError {
  override name = "ControlError";
  /** Nobody listens: the agent does not run. */
  readonly isNotRunning: boolean;
  /** It answered, by refusing. */
  readonly isAnswered: boolean;
  constructor(
    message: string,
    isNotRunning: boolean,
    { isAnswered = false, ...options }: ErrorOptions & { isAnswered?: boolean } = {},
  ) {
    super(message, options);
    this.isNotRunning = isNotRunning;
    this.isAnswered = isAnswered;
  }
}

/** Where the agent of a data folder listens. */
export function controlPath(dataDir: string): string {
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  if (process.platform === "win32") return `\\\\.\\pipe\\millrace-agent-${name}`;
  const path = join(dataDir, "control.sock");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  return join(tmpdir(), `millrace-${userInfo().uid}-${name}`, "control.sock");
}

/**
 * The caller holds the data folder's lock, so whatever stands at the path is a leftover; `refused` hears of what is no request
 * of ours. @throws ControlError
 */
export async function listenForControl(
  dataDir: string,
  handlers: ControlHandlers,
  refused: (reason: string) => void = () => {},
): Promise<AsyncDisposable> {
  const path = controlPath(dataDir);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(socket, handlers, refused);
  });
  server.maxConnections = MAX_CLIENTS;
  try {
    await listen(server, path);
  } catch (error) {
    throw new ControlError(`listening for commands at ${path} failed: ${messageOf(error)}`, false, {
      cause: error,
    });
  }
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroySoon();
      }),
  };
}

/** Asks the running agent. @throws ControlError */
export async function askAgent(dataDir: string, request: ControlRequest): Promise<unknown> {
  const path = controlPath(dataDir);
  const response = await exchange(path, JSON.stringify(request));
  if (response.ok) return response.result;
  throw new ControlError(response.error, false, { isAnswered: true });
}

async function listen(server: Server, path: string): Promise<void> {
  if (process.platform === "win32") return started(server, path);
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // A folder under the shared temporary folder might have been put there by somebody else.
  const { uid } = lstatSync(folder);
  if (uid !== userInfo().uid && userInfo().uid !== 0)
    throw new MillraceError(`${folder} belongs to another user`);
  if (existsSync(path)) rmSync(path);
  const before = process.umask(0o177);
  try {
    await started(server, path);
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o600);
}

function started(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve();
    });
  });
}

/** One request, one answer, then the line is closed. */
function serve(socket: Socket, handlers: ControlHandlers, refused: (reason: string) => void): void {
  let text = "";
  let isAnswered = false;
  const answer = (response: ControlResponse): void => {
    if (isAnswered) return;
    isAnswered = true;
    socket.end(`${JSON.stringify(response)}\n`);
  };
  socket.setEncoding("utf8");
  socket.setTimeout(SILENCE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: string) => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end === -1 && text.length > MAX_REQUEST_BYTES) {
      const error = `a request has at most ${MAX_REQUEST_BYTES} bytes`;
      refused(error);
      answer({ ok: false, error });
    } else if (end !== -1) answer(perform(text.slice(0, end), handlers, refused));
  });
}

function perform(
  line: string,
  handlers: ControlHandlers,
  refused: (reason: string) => void,
): ControlResponse {
  let request: ControlRequest;
  try {
    request = readRequest(line);
  } catch (error) {
    refused(messageOf(error));
    return { ok: false, error: messageOf(error) };
  }
  try {
    return { ok: true, result: answerTo(request, handlers) ?? {} };
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}

function answerTo(request: ControlRequest, handlers: ControlHandlers): object | void {
  switch (request.command) {
    case "status":
      return handlers.status();
    case "commands":
      return handlers.commands();
    case "stop":
      return handlers.stop();
    case "approve":
      return handlers.approve(request.id, request.by);
    case "reject":
      return handlers.reject(request.id, request.by, request.reason);
    case "halt":
    case "unhalt":
      return handlers.halt(request.part, request.command === "halt", request.by);
    default:
      return handlers.operate(request.command, request.connection, request.entity);
  }
}

function readRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new MillraceError("a request is one line of JSON", { cause: error });
  }
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const { command, connection, entity } = fields;
  if (command === "status" || command === "stop" || command === "commands") return { command };
  const aboutCommands = readCommandRequest(fields);
  if (aboutCommands !== undefined) return aboutCommands;
  if (typeof command !== "string" || !OPERATIONS.has(command))
    throw new MillraceError(`unknown command ${JSON.stringify(command)}`);
  if (typeof connection !== "string") throw new MillraceError(`${command} needs a connection`);
  const action = command as OperateAction;
  return typeof entity === "string"
    ? { command: action, connection, entity }
    : { command: action, connection };
}

/** Undefined: it is about something else. */
function readCommandRequest(fields: Record<string, unknown>): ControlRequest | undefined {
  const { command, id, part, reason } = fields;
  const by = typeof fields["by"] === "string" ? fields["by"].slice(0, MAX_NAME_CHARS) : "somebody";
  if (command === "approve" || command === "reject") {
    if (typeof id !== "string") throw new MillraceError(`${command} needs a command's id`);
    if (command === "approve") return { command, id, by };
    return typeof reason === "string"
      ? { command, id, by, reason: reason.slice(0, MAX_REASON_CHARS) }
      : { command, id, by };
  }
  if (command !== "halt" && command !== "unhalt") return undefined;
  if (part === "writes" || part === "egress") return { command, part, by };
  throw new MillraceError(`${command} needs what: writes or egress`);
}

function exchange(path: string, line: string): Promise<ControlResponse> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    const fail = (message: string, isNotRunning: boolean, cause?: unknown): void => {
      socket.destroy();
      reject(new ControlError(message, isNotRunning, { cause }));
    };
    socket.setEncoding("utf8");
    socket.setTimeout(SILENCE_MS, () =>
      fail(
        `the agent did not answer at ${path} within ${SILENCE_MS / 1000} s; its log says what it is doing`,
        false,
      ),
    );
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
        fail("the agent does not run (nobody listens at its control socket)", true, error);
      else if (error.code === "EACCES" || error.code === "EPERM")
        fail(
          `no permission to talk to the agent at ${path}; use the account that the agent runs under, or root`,
          false,
          error,
        );
      else fail(`asking the agent at ${path} failed: ${messageOf(error)}`, false, error);
    });
    socket.once("connect", () => socket.write(`${line}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > MAX_RESPONSE_BYTES) fail("the agent's answer is too long", false);
    });
    socket.once("end", () => {
      try {
        resolve(JSON.parse(text) as ControlResponse);
      } catch (error) {
        fail("the agent ended the line without an answer", false, error);
      }
    });
  });
}
