// Where an installed product lies on Linux, and what it is called there.
import type { Product } from "../platforms.ts";

export interface LinuxLayout {
  /** Of the package, the command, the unit, the account and its group. */
  readonly name: string;
  /** Holds `versions/<version>/` from the package, and `current`, a link that is made at installation. */
  readonly programs: string;
  readonly config: string;
  readonly configFile: string;
  readonly defaultConfigFile: string;
  readonly data: string;
  readonly cache: string;
  readonly unit: string;
  /** What the product or `systemctl edit` put beside the unit. */
  readonly unitDropIns: string;
  readonly environmentFile: string;
}

export function linuxLayout(product: Product): LinuxLayout {
  const name = `millrace-${product}`;
  return {
    name,
    programs: `/usr/lib/${name}`,
    config: `/etc/${name}`,
    configFile: `/etc/${name}/${product}.yaml`,
    defaultConfigFile: `/usr/share/${name}/${product}.yaml`,
    data: `/var/lib/${name}`,
    cache: `/var/cache/${name}`,
    unit: `${name}.service`,
    unitDropIns: `/etc/systemd/system/${name}.service.d`,
    environmentFile: `/etc/default/${name}`,
  };
}
