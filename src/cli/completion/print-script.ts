// The scripts of `holdfast completion`.

import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import type { Shell } from "./shells.ts";

/** Resolves with the exit code. */
export async function printScript(shell: Shell): Promise<number> {
  await writeOut(process.stdout, scripts[shell]);
  return exitCodes.done;
}

// Each candidate is a line, with a tab before its description. ":files" and ":commands" stand for those of the shell.
const scripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of holdfast
_holdfast() {
  # COMP_WORDS is divided at "=" and ":" also.
  local line=\${COMP_LINE:0:COMP_POINT} words candidate
  # Without -r: an earlier completion may have put a backslash before a character.
  read -a words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local current=\${words[\${#words[@]} - 1]}
  local kept=\${current%"\${current##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "\${current#"$kept"}")
        return
        ;;
      :directories)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "\${current#"$kept"}")
        return
        ;;
      :commands)
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
        return
        ;;
    esac
    candidate=\${candidate%%$'\\t'*}
    [[ $candidate == *[=:/] ]] && compopt -o nospace 2>/dev/null
    # bash replaces only what follows the last "=" or ":", and inserts text as it is: a file may be named ";reboot".
    candidate=\${candidate#"$kept"}
    [[ $candidate ]] && printf -v candidate %q "$candidate"
    # %q also quotes commas, which mean nothing outside of braces.
    candidate=\${candidate//\\\\,/,}
    COMPREPLY+=("$candidate")
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _holdfast holdfast
`,
  zsh: `#compdef holdfast
# zsh completion of holdfast
_holdfast() {
  local -a described unfinished
  local line value
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') continue ;;
      :files)
        # --ca=FILE: the name begins after the first "=".
        [[ \${words[CURRENT]} == --*=* ]] && compset -P 1 '*='
        _files
        return
        ;;
      :directories)
        [[ \${words[CURRENT]} == --*=* ]] && compset -P 1 '*='
        _files -/
        return
        ;;
      :commands) _command_names -e; return ;;
    esac
    value=\${line%%$'\\t'*}
    if [[ $value == *[=:/] ]]; then
      unfinished+=("$value")
    else
      described+=("\${value//:/\\\\:}:\${\${line#*$'\\t'}:-$value}")
    fi
  done
  (( $#unfinished )) && compadd -S '' -- "\${unfinished[@]}"
  (( $#described )) && _describe 'holdfast' described
}
if [[ \${funcstack[1]} == _holdfast ]]; then
  _holdfast "$@"
else
  compdef _holdfast holdfast
fi
`,
  fish: `# fish completion of holdfast
function __holdfast_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files' ':directories'
                # --ca=FILE: the name begins after the first "=".
                set -l flag (string match -r -- '^--[^=]+=' $current)
                set -l typed (string replace -- "$flag" '' $current)
                set -l paths (__fish_complete_path $typed)
                test $line = ':directories'; and set paths (__fish_complete_directories $typed '')
                for path in $paths
                    printf '%s\\n' "$flag$path"
                end
            case ':commands'
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c holdfast -f -a '(__holdfast_candidates)'
`,
};
