// Whom `serve` lets in.
import { type Command, InvalidArgumentError } from "commander";
import type { TlsIdentity } from "../../http/index.ts";
import { readTokenFile, TOKEN_VARIABLE, tokenOfVariable } from "../connect/access-token.ts";
import { optionalSetting } from "../options/settings.ts";
import { readFileBytes, readHostPattern, readList, readOrigin, readYesNo } from "../options/values.ts";

export interface AccessFlags {
  /** The token itself. */
  readonly accessTokenFile?: string;
  readonly allowUnauthenticated?: boolean;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  /** The files' content. */
  readonly tlsCert?: Buffer;
  readonly tlsKey?: Buffer;
}

export interface AccessSettings {
  readonly token: string | undefined;
  readonly allowUnauthenticated: boolean;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly tls: TlsIdentity | undefined;
}

export function addAccessFlags(command: Command): Command {
  return command
    .optionsGroup("Access:")
    .addOption(
      optionalSetting({
        flags: "--access-token-file <file>",
        description: `the token that every request but GET /health needs (${TOKEN_VARIABLE} can hold it, too)`,
        read: readTokenFile,
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--allow-unauthenticated [yes|no]",
        description: "listen where others reach it without a token: whoever does can run commands",
        read: readYesNo,
      }).preset("yes"),
    )
    .addOption(
      optionalSetting({
        flags: "--allow-host <name>",
        description: "a name clients may call it by, or *.example.com; IP addresses and localhost need none",
        read: readList(readHostPattern),
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--allow-origin <origin>",
        description: "whose web pages may call it, as https://app.example.com; none by default",
        read: readList(readOrigin),
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--tls-cert <file>",
        description: "PEM certificate chain: speak TLS",
        read: readFileBytes,
      }),
    )
    .addOption(
      optionalSetting({ flags: "--tls-key <file>", description: "its PEM key", read: readFileBytes }),
    );
}

/** Takes the token's variable out of `env`. Ends `command` with a usage error for what does not go together. */
export function accessSettings(flags: AccessFlags, env: NodeJS.ProcessEnv, command: Command): AccessSettings {
  const variable = takeVariable(env, command);
  return {
    token: flags.accessTokenFile ?? variable,
    allowUnauthenticated: flags.allowUnauthenticated ?? false,
    allowHosts: flags.allowHost ?? [],
    allowOrigins: flags.allowOrigin ?? [],
    tls: tlsIdentity(flags, command),
  };
}

function takeVariable(env: NodeJS.ProcessEnv, command: Command): string | undefined {
  try {
    return tokenOfVariable(env);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return command.error(`the variable ${TOKEN_VARIABLE} is invalid. ${error.message}`);
  } finally {
    // What is started later must not inherit it.
    delete env[TOKEN_VARIABLE];
  }
}

function tlsIdentity({ tlsCert: cert, tlsKey: key }: AccessFlags, command: Command): TlsIdentity | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
  return command.error(`option '--tls-${given} <file>' needs --tls-${missing} beside it`);
}
