// The demo's four programs: which they are, in which order they start and stop, and where they can be reached.
import { fileURLToPath } from "node:url";
import type { PlantServerReady } from "./plant/opcua-server.ts";
import type { PlantAddresses } from "./agent-yaml.ts";
import { Child, type OnUnexpectedEnd } from "./child.ts";
import type { DemoFolder } from "./demo-folder.ts";
import { AGENT, RELAY } from "./enrol.ts";

const PLANT_DATABASE = fileURLToPath(new URL("./plant/plant-database.ts", import.meta.url));
const PLANT_MACHINES = fileURLToPath(new URL("./plant/opcua-server.ts", import.meta.url));

export interface StackSettings {
  readonly port: number;
  readonly opcuaPort: number;
  readonly rate: number;
  readonly scale: number;
}

export class DemoStack {
  readonly relay: Child;
  readonly agent: Child;
  readonly plant: Child;
  readonly machines: Child;
  #url = "";
  #machinesReady: PlantServerReady | undefined;
  #relayPort: number;
  #opcuaPort: number;

  /** `onChange`: a program was started anew, so it has another pid. */
  constructor(folder: DemoFolder, settings: StackSettings, onEnd: OnUnexpectedEnd, onChange: () => void) {
    this.#relayPort = settings.port;
    this.#opcuaPort = settings.opcuaPort;
    this.relay = new Child(
      {
        title: "the relay",
        script: RELAY,
        args: () => ["serve", "--json", "--data-dir", folder.relayDir, "--port", String(this.#relayPort)],
        logFile: folder.log("relay"),
        ready: "line",
      },
      onEnd,
      (ready) => {
        const { url, port } = ready as { readonly url: string; readonly port: number };
        this.#url = url;
        // Once found, the port stays: the agent and everybody else know it.
        this.#relayPort = port;
        onChange();
      },
    );
    this.agent = new Child(
      {
        title: "the agent",
        script: AGENT,
        args: () => ["run", "--config", folder.agentConfig],
        logFile: folder.log("agent"),
        ready: "none",
      },
      onEnd,
      onChange,
    );
    this.plant = new Child(
      {
        title: "the plant's database",
        script: PLANT_DATABASE,
        args: () => [
          "--file",
          folder.plantFile,
          "--rate",
          String(settings.rate),
          "--scale",
          String(settings.scale),
        ],
        logFile: folder.log("plant"),
        ready: "message",
      },
      onEnd,
      onChange,
    );
    this.machines = new Child(
      {
        title: "the machines' OPC UA server",
        script: PLANT_MACHINES,
        args: () => ["--port", String(this.#opcuaPort), "--pki", folder.pkiDir],
        logFile: folder.log("machines"),
        ready: "message",
      },
      onEnd,
      (ready) => {
        this.#machinesReady = ready as PlantServerReady;
        this.#opcuaPort = this.#machinesReady.port;
        onChange();
      },
    );
  }

  get url(): string {
    return this.#url;
  }
  get relayPort(): number {
    return this.#relayPort;
  }
  get opcuaPort(): number {
    return this.#opcuaPort;
  }

  /** Once relay and machines have started. */
  get addresses(): PlantAddresses {
    const { endpointUrl = "", fingerprint = "", user = "", password = "" } = this.#machinesReady ?? {};
    return {
      relayUrl: this.#url.replace(/^http/, "ws"),
      opcuaUrl: endpointUrl,
      opcuaFingerprint: fingerprint,
      opcuaUser: user,
      opcuaPassword: password,
    };
  }

  pids(): Record<"relay" | "agent" | "plant" | "machines" | "demo", number> {
    const { relay, agent, plant, machines } = this;
    return {
      relay: relay.pid ?? 0,
      agent: agent.pid ?? 0,
      plant: plant.pid ?? 0,
      machines: machines.pid ?? 0,
      demo: process.pid,
    };
  }

  /** The machines' port of the last time may be another program's by now: then any other will do. */
  async startMachines(): Promise<void> {
    try {
      await this.machines.start();
    } catch (error) {
      if (this.#opcuaPort === 0) throw error;
      this.#opcuaPort = 0;
      await this.machines.start();
    }
  }

  /** In order: nothing is cut off that another one still waits for. */
  async stop(): Promise<void> {
    await this.agent.stop();
    await Promise.all([this.plant.stop(), this.machines.stop()]);
    await this.relay.stop();
  }
}
