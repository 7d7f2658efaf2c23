// The clients that `serve` accepts.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { AccessSettings } from "../../agent/settings.ts";
import { type FoundToken, readTokenFile, TOKEN_VARIABLE, tokenOfVariable } from "../connect/access-token.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readFileBytes, readHostPattern, readList, readOrigin, readYesNo } from "../options/values.ts";

export interface AccessFlags {
  /** The content of the file. */
  readonly accessTokenFile?: FoundToken;
  readonly tokenFile?: FoundTokens;
  readonly allowUnauthenticated?: boolean;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  /** The content of the file. */
  readonly tlsCert?: Buffer;
  readonly tlsKey?: Buffer;
}

/** `doctor` has these as well. */
export const tlsRows: readonly SettingRow[] = [
  { flags: "--tls-cert <file>", description: "PEM certificate chain; turns TLS on", read: readFileBytes },
  { flags: "--tls-key <file>", description: "PEM key of the certificate", read: readFileBytes },
];

const rows: readonly SettingRow[] = [
  {
    flags: "--access-token-file <file>",
    description: `file with the access token (or ${TOKEN_VARIABLE})`,
    read: readTokenFile,
  },
  {
    flags: "--token-file <file>",
    description: "file with hashed tokens and their scopes",
    read: readTokensFile,
  },
  {
    flags: "--allow-unauthenticated [yes|no]",
    description: "no access token needed beyond loopback",
    read: readYesNo,
    preset: "yes",
  },
  {
    flags: "--allow-host <name>",
    description: "further name of the agent, such as *.example.com",
    read: readList(readHostPattern),
  },
  {
    flags: "--allow-origin <origin>",
    description: "origin of web pages that may call the agent",
    read: readList(readOrigin),
  },
  ...tlsRows,
];

export function addAccessFlags(command: Command): Command {
  return addSettings(command, "Access", rows);
}

/** Removes the token's variable from `env`. Ends `command` with a usage error if flags contradict each other. */
export function accessSettings(flags: AccessFlags, env: NodeJS.ProcessEnv, command: Command): AccessSettings {
  const variable = takeVariable(env, command);
  const found = flags.accessTokenFile ?? variable;
  return {
    token: found?.token,
    tokenFile: flags.tokenFile,
    tokenRemarks: [...(found?.remarks ?? []), ...(flags.tokenFile?.remarks ?? [])],
    allowUnauthenticated: flags.allowUnauthenticated ?? false,
    allowHosts: flags.allowHost ?? [],
    allowOrigins: flags.allowOrigin ?? [],
    tls: tlsIdentity(flags, command),
  };
}

interface FoundTokens {
  /** Absolute: it is read again later. */
  readonly path: string;
  readonly text: string;
  readonly remarks: readonly string[];
}

const WRITABLE_BY_OTHERS = 0o022;

function readTokensFile(name: string): FoundTokens {
  const path = resolve(name);
  const text = readFileBytes(path).toString();
  const isOpen = (statSync(path).mode & WRITABLE_BY_OTHERS) !== 0;
  const remark = `other users of this machine can change the tokens in ${path}: chmod 600 ${path}`;
  return { path, text, remarks: isOpen ? [remark] : [] };
}

function takeVariable(env: NodeJS.ProcessEnv, command: Command): FoundToken | undefined {
  try {
    return tokenOfVariable(env);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return command.error(`the variable ${TOKEN_VARIABLE} is invalid. ${error.message}`);
  } finally {
    // Commands that the agent starts must not inherit it.
    delete env[TOKEN_VARIABLE];
  }
}

function tlsIdentity({ tlsCert: cert, tlsKey: key }: AccessFlags, command: Command): AccessSettings["tls"] {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
  return command.error(`option '--tls-${given} <file>' also needs --tls-${missing}`);
}
