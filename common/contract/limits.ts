// Every limit of the wire, in one place, with its unit.

/** One WebSocket message, sealed. Larger ones close the socket with 1009. */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** Sealing adds a 16-byte tag: what a session may put into one frame. */
export const MAX_PLAIN_FRAME_BYTES = MAX_FRAME_BYTES - 16;
/** One message of the handshake; a stranger may not send more. */
export const MAX_HANDSHAKE_MESSAGE_BYTES = 16 * 1024;
/** A batch closes at this many entries… */
export const MAX_BATCH_ENTRIES = 500;
/** …or at this many bytes before compression… */
export const MAX_BATCH_BYTES = 128 * 1024;
/** …or this long after its first entry. */
export const MAX_BATCH_AGE_MS = 50;
/** A larger record is dead-lettered as RECORD_TOO_LARGE. */
export const MAX_RECORD_BYTES = 512 * 1024;
/** The relay inflates no batch beyond this. */
export const MAX_INFLATED_BYTES = 1024 * 1024;
/** A command result above this fails as RESULT_TOO_LARGE. */
export const MAX_RESULT_BYTES = 768 * 1024;
/** Unacknowledged bytes in flight. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
export const SOCKET_WINDOW_BYTES = 8 * 1024 * 1024;
/** Nothing waits behind more than this in the socket's send buffer. */
export const MAX_SOCKET_BUFFER_BYTES = 512 * 1024;
/** Connections (streams) that one agent serves. */
export const MAX_STREAMS = 256;
/** Earlier epochs that a stream names: one for each that began before the relay had acknowledged anything of the one before. */
export const MAX_TAKEN_OVER_EPOCHS = 8;
/** Liveness: each side pings this often, and gives the peer up after `DEAD_AFTER_MS` without any frame. */
export const PING_EVERY_MS = 20_000;
export const DEAD_AFTER_MS = 50_000;
/** The handshake must be over within this. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;
/** A reconnect waits at most this. */
export const RECONNECT_CAP_MS = 60_000;
/** Backoff starts anew only after a session has been healthy for this long. */
export const HEALTHY_AFTER_MS = 60_000;
