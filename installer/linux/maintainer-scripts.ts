// What runs when a Linux package is installed, upgraded, removed and purged; one set of steps in the words of dpkg and of rpm.
import { DATA_FORMATS, DATA_FORMATS_FILE, type DataFormat } from "#agent/data-formats.ts";
import type { Product } from "../platforms.ts";
import { linuxLayout, type LinuxLayout } from "./layout.ts";

export interface MaintainerScripts {
  /** Whole files for DEBIAN/. */
  readonly deb: {
    readonly preinst: string;
    readonly postinst: string;
    readonly prerm: string;
    readonly postrm: string;
  };
  /** Bodies of %pre, %post, %preun and %postun; a failure of `pre` keeps the package from being installed. */
  readonly rpm: {
    readonly pre: string;
    readonly post: string;
    readonly preun: string;
    readonly postun: string;
  };
}

export interface ScriptRequest {
  readonly product: Product;
  readonly version: string;
  /** What this version can read; default: what the sources say. For tests. */
  readonly formats?: readonly DataFormat[];
}

/** `$1` is dpkg's word for what happens, and rpm's count of what will be installed. */
export function maintainerScripts({ product, version, formats }: ScriptRequest): MaintainerScripts {
  const layout = linuxLayout(product);
  const readable = formats ?? (product === "agent" ? DATA_FORMATS : []);
  const preinst = `${downgradeGuard(layout, version, readable)}\n${account(layout)}`;
  const postinst = `${places(layout, version)}\n${START[product](layout)}`;
  const deb = (when: string, body: string): string =>
    `#!/bin/sh\nset -e\ncase $1 in ${when}) ;; *) exit 0 ;; esac\n${body}`;
  const atLast = (body: string): string => `set -e\nif [ "$1" -gt 0 ]; then exit 0; fi\n${body}`;
  const gone = removed(layout);
  return {
    deb: {
      preinst: deb("install | upgrade", preinst),
      postinst: deb("configure | abort-remove", postinst),
      prerm: deb("remove | deconfigure", stopped(layout)),
      postrm: deb("remove | purge", `${gone}if [ "$1" = purge ]; then\n${purged(layout)}fi\n`),
    },
    rpm: {
      pre: `set -e\n${preinst}`,
      post: `set -e\n${postinst}`,
      preun: atLast(stopped(layout)),
      postun: atLast(`${gone}${kept(layout)}`),
    },
  };
}

/** The agent writes beside its data what a version must be able to read; see agent/data-formats.ts. */
function downgradeGuard(
  { data, name }: LinuxLayout,
  version: string,
  formats: readonly DataFormat[],
): string {
  if (formats.length === 0) return "";
  const known = formats.map(({ file, format }) => `      ${file}) reads=${format} ;;`).join("\n");
  return `if [ -r ${data}/${DATA_FORMATS_FILE} ]; then
  while read -r file format needs; do
    case $file in
${known}
      *) reads=0 ;;
    esac
    if [ "$needs" -gt "$reads" ]; then
      echo "${name} ${version} cannot read the data in ${data}, which a newer version wrote: $file has format $format and needs a version that reads $needs, this one reads $reads." >&2
      echo "Nothing was changed. Install the newer version again, or move ${data} away and enrol anew: the relay keeps what it has." >&2
      exit 1
    fi
  done < ${data}/${DATA_FORMATS_FILE}
fi`;
}

function account({ name, data }: LinuxLayout): string {
  return `if ! getent passwd ${name} >/dev/null; then
  useradd --system --user-group --home-dir ${data} --no-create-home --shell /usr/sbin/nologin ${name}
fi
`;
}

function places(
  { name, programs, config, configFile, defaultConfigFile, data }: LinuxLayout,
  version: string,
): string {
  return `if [ -L ${programs}/current ]; then was=upgrade; else was=install; fi
chown root:${name} ${programs}/versions/${version}/node
chmod 0750 ${programs}/versions/${version}/node
ln -sfn versions/${version} ${programs}/current
install -d -m 0750 -o root -g ${name} ${config}
install -d -m 0700 -o ${name} -g ${name} ${data}
if [ ! -e ${configFile} ]; then
  install -m 0640 -o root -g ${name} ${defaultConfigFile} ${configFile}
fi
`;
}

/** In a container or an image that is being built there is no systemd to speak to. */
const HAS_SYSTEMD = "[ -d /run/systemd/system ]";

const START: Readonly<Record<Product, (layout: LinuxLayout) => string>> = {
  agent: startAgent,
  relay: startRelay,
};

/** An upgrade restarts what runs; after a removal that kept the data, the agent is enrolled and goes on. */
function startAgent(layout: LinuxLayout): string {
  const { configFile, name } = layout;
  return `if [ "$was" = install ] && ! ${name} status --json 2>/dev/null | grep -q '"agentId":"'; then
  if ${HAS_SYSTEMD}; then systemctl daemon-reload; fi
  echo "The Millrace agent is installed. Next: describe your systems in ${configFile}, then"
  echo "  sudo ${name} enroll --relay wss://<your relay> --code <code>"
  echo "which starts it, now and after every start of this machine."
else
${started(layout)}fi
`;
}

function startRelay(layout: LinuxLayout): string {
  return `${started(layout)}if [ "$was" = install ]; then
  echo "The Millrace relay is installed; its settings: ${layout.configFile}. Next: sudo ${layout.name} workspace create --name <name>"
fi
`;
}

/** A unit that was stopped or disabled by its administrator stays so over an upgrade. */
function started({ unit }: LinuxLayout): string {
  return `  if [ "$was" = install ]; then systemctl enable --quiet ${unit} || true; fi
  if ${HAS_SYSTEMD}; then
    systemctl daemon-reload
    if [ "$was" = install ]; then verb=start; else verb=try-restart; fi
    if ! systemctl "$verb" ${unit}; then
      echo "The service ${unit} did not come up; why: systemctl status ${unit}, journalctl -u ${unit}" >&2
    fi
  fi
`;
}

function stopped({ unit }: LinuxLayout): string {
  return `if ${HAS_SYSTEMD}; then systemctl stop ${unit} || true; fi
systemctl disable --quiet ${unit} || true
`;
}

/** Whatever is in the folder of programs by now came from no other package. */
function removed({ programs, cache }: LinuxLayout): string {
  return `rm -rf ${programs} ${cache}
if ${HAS_SYSTEMD}; then systemctl daemon-reload || true; fi
`;
}

function kept({ name, config, data, unitDropIns, environmentFile }: LinuxLayout): string {
  return `echo "${name} is removed. Configuration and data are kept; this deletes them for good:"
echo "  rm -rf ${config} ${data} ${unitDropIns} ${environmentFile}; userdel ${name}"
`;
}

function purged({ name, config, data, unitDropIns, environmentFile }: LinuxLayout): string {
  return `  rm -rf ${config} ${data} ${unitDropIns} ${environmentFile}
  if getent passwd ${name} >/dev/null; then userdel ${name} || true; fi
  if ${HAS_SYSTEMD}; then
    systemctl daemon-reload || true
    systemctl reset-failed ${name}.service 2>/dev/null || true
  fi
  echo "${name} is purged: configuration, secrets and data are deleted."
`;
}
