// The wire's version history. A change of any wire schema needs a new version here (test/contract holds a hash of each).

/**
 * 1: first version. Noise NN handshake with signatures over the handshake hash, sealed frames, streams, batches.
 */
export const PROTOCOL_VERSION = 1;

/** The oldest version that this build still speaks. It may rise only when no supported agent speaks it any more. */
export const MIN_PROTOCOL_VERSION = 1;

/** WebSocket subprotocol name. */
export const SUBPROTOCOL = "millrace.v1";

/** Layout of a batch body; carried in every batch header. The relay decodes every version ever released. */
export const CONTENT_VERSION = 1;
