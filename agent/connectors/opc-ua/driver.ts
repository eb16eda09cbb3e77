// The one door to node-opcua: its own console output is turned off here, once, before anything else runs.
import * as opcua from "node-opcua";

const silent = (): void => {};
// Everything worth knowing reaches the runner as a thrown error or a gap; the driver's warnings repeat it in floods.
opcua.setErrorLogger(silent);
opcua.setWarningLogger(silent);
opcua.setDebugLogger(silent);

export { opcua };
