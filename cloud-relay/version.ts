// The version of this relay, as it names itself to receivers.
import packageJson from "../package.json" with { type: "json" };

export const VERSION: string = packageJson.version;
