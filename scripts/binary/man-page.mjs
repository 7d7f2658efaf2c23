// @ts-check
// The man page, from the definition of the command line itself, so that it has every command and
// every option, with the same words as the help.

/** @typedef {import("commander").Command} Command */

/**
 * holdfast(1) as roff.
 * @param {Command} program
 * @param {string} version
 */
export function manPage(program, version) {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== "help");
  return [
    `.TH HOLDFAST 1 "" "holdfast ${version}" "User Commands"`,
    ".SH NAME",
    "holdfast \\- run processes and terminals in a sandbox, and serve its files, for clients outside",
    ".SH SYNOPSIS",
    `.B holdfast\n${text(program.usage())}`,
    ".SH DESCRIPTION",
    text(program.description()),
    ".SH OPTIONS",
    ...options(program),
    ...verbatim(afterHelp(program)),
    ".SH COMMANDS",
    ...commands.flatMap((command) => [
      `.SS ${quoted(`${pathOf(command)} ${command.usage()}`)}`,
      ...aliasLine(command),
      text(help.commandDescription(command)),
      ...subcommands(command),
      ...options(command),
      ...verbatim(afterHelp(command)),
    ]),
    "",
  ].join("\n");
}

/** @param {Command} command */
function subcommands(command) {
  const help = command.createHelp();
  return help
    .visibleCommands(command)
    .filter((inner) => inner.name() !== "help")
    .flatMap((inner) => [
      ".TP",
      `.B ${text(`${inner.name()} ${inner.usage()}`.trim())}`,
      text(inner.summary() || inner.description()),
    ]);
}

/** @param {Command} command */
function aliasLine(command) {
  const aliases = command.aliases();
  return aliases.length === 0 ? [] : [`Also: ${text(aliases.join(", "))}.`, ".PP"];
}

/** @param {Command} command */
function options(command) {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .flatMap((option) => [
      ".TP",
      `.B ${text(help.optionTerm(option))}`,
      text(help.optionDescription(option)),
    ]);
}

/**
 * The help of a command after its options: examples, exit codes. @param {Command} command
 */
function afterHelp(command) {
  let printed = "";
  const before = command.configureOutput();
  command.configureOutput({
    ...before,
    writeOut(piece) {
      printed += piece;
    },
  });
  command.outputHelp();
  command.configureOutput(before);
  return printed.slice(command.helpInformation().length).trim();
}

/** @param {string} lines */
function verbatim(lines) {
  return lines === "" ? [] : [".PP", ".nf", text(lines), ".fi"];
}

/** @param {Command} command */
function pathOf(command) {
  const names = [];
  for (let at = /** @type {Command | null} */ (command); at !== null; at = at.parent)
    names.unshift(at.name());
  return names.join(" ");
}

/**
 * Characters that mean something to roff, at the beginning of a line or anywhere.
 * @param {string} plain
 */
function text(plain) {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("`", "\\(ga")
    .replaceAll(/^([.'])/gm, "\\&$1");
}

/** @param {string} plain */
function quoted(plain) {
  return `"${text(plain).replaceAll('"', "\\(dq")}"`;
}
