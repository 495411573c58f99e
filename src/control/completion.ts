/**
 * Completions for shells, from the tables of options and commands.
 */
import type { Shell } from './commands.js'

export interface CompletedOption {
  /** `--bind`, `-b`. */
  names: readonly string[]
  summary: string
  /** What follows it; undefined for a switch. */
  value?: 'path' | 'any' | { words: readonly string[] }
}

export interface CompletedCommand {
  name: string
  summary: string
  options: readonly CompletedOption[]
  /** What its argument can be. */
  words?: readonly string[]
}

export interface CompletedProgram {
  name: string
  options: readonly CompletedOption[]
  /** None: its arguments are files. */
  commands: readonly CompletedCommand[]
  /** What may be the first word, before its files, and the options that come with it. Only without commands. */
  modes?: readonly CompletedCommand[]
}

/** A script for `shell` to read: `eval "$(hornetctl completion bash)"`. */
export function completionScript(shell: Shell, programs: readonly CompletedProgram[]): string {
  const write = { bash, zsh, fish }[shell]
  return programs.map(write).join('\n')
}

function bash({ name, options, commands, modes = [] }: CompletedProgram): string {
  const cases = [...options, ...commands.flatMap((command) => command.options)]
    .filter(({ value }) => value !== undefined)
    .map(({ names, value }) => `    ${names.join('|')}) ${bashValue(value)}; return ;;`)
  const perCommand = commands.map(
    (command) =>
      `    ${command.name}) words="${[...(command.words ?? []), ...optionNames([...command.options, ...options])].join(' ')}" ;;`,
  )
  const perMode = modes.map(
    (mode) => `  [[ \${COMP_WORDS[1]} != ${mode.name} ]] || words+=" ${optionNames(mode.options).join(' ')}"\n`,
  )
  const modeNames = modes.map((mode) => mode.name).join(' ')
  const first = [...commands.map((command) => command.name), ...optionNames(options)].join(' ')
  return `# Completions of ${name} for bash.
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words command='' i
  COMPREPLY=()
  case $previous in
${unique(cases).join('\n')}
  esac
  words="${first}"
${
  commands.length === 0
    ? ''
    : `  for ((i = 1; i < COMP_CWORD; i++)); do
    case " ${commands.map((command) => command.name).join(' ')} " in
    *" \${COMP_WORDS[i]} "*) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command in
${perCommand.join('\n')}
  esac
`
}${modes.length === 0 ? '' : `  ((COMP_CWORD > 1)) || words+=" ${modeNames}"\n`}${perMode.join('')}  COMPREPLY=($(compgen -W "$words" -- "$word"))
${commands.length === 0 ? '  [[ $word == -* ]] || COMPREPLY+=($(compgen -f -- "$word"))\n' : ''}}
complete ${commands.length === 0 ? '-o filenames ' : ''}-F _${name} ${name}
`
}

function bashValue(value: CompletedOption['value']): string {
  if (value === 'path') return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word"))'
  if (typeof value === 'object') return `COMPREPLY=($(compgen -W "${value.words.join(' ')}" -- "$word"))`
  return ':'
}

function zsh({ name, options, commands, modes = [] }: CompletedProgram): string {
  const specs = (list: readonly CompletedOption[]) =>
    list.flatMap(({ names, summary, value }) =>
      names.map((flag) => `'${flag}[${zshText(summary)}]${zshValue(flag, value)}'`),
    )
  const lines = (list: readonly string[], indent: string) => list.map((line) => `${indent}${line} \\\n`).join('')
  if (commands.length === 0) {
    const perMode = modes.map(
      (mode) => `  [[ $words[2] != ${mode.name} ]] || more+=(${specs(mode.options).join(' ')})\n`,
    )
    const first = `_alternative "modes:mode:(${modes.map((mode) => mode.name).join(' ')})" "files:application:_files"`
    return `# Completions of ${name} for zsh.
_${name}() {
  local -a more
${perMode.join('')}  _arguments -s $more \\
${lines(specs(options), '    ')}    '1: :{${first}}' \\
    '*:application:_files'
}
compdef _${name} ${name}
`
  }
  const described = commands.map((command) => `    '${command.name}:${zshText(command.summary)}'`)
  const cases = commands.map((command) => {
    const words = command.words === undefined ? '' : `'*:argument:(${command.words.join(' ')})'`
    return `    ${command.name})\n      _arguments -s \\\n${lines(specs([...command.options, ...options]), '        ')}        ${words}\n      ;;`
  })
  return `# Completions of ${name} for zsh.
_${name}() {
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
${described.join('\n')}
  )
  _arguments -C -s \\
${lines(specs(options), '    ')}    '1: :->command' \\
    '*:: :->argument'
  case $state in
  command) _describe command commands ;;
  argument)
    case $line[1] in
${cases.join('\n')}
    esac
    ;;
  esac
}
compdef _${name} ${name}
`
}

function zshValue(flag: string, value: CompletedOption['value']): string {
  if (value === undefined) return ''
  const name = flag.replace(/^-+/, '')
  if (value === 'path') return `:${name}:_files`
  return typeof value === 'object' ? `:${name}:(${value.words.join(' ')})` : `:${name}: `
}

/** Inside single quotes and the brackets of a specification. */
function zshText(text: string): string {
  // The specification's own characters first: the quotes bring backslashes of the shell's.
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")
}

function fish({ name, options, commands, modes = [] }: CompletedProgram): string {
  const lines = [`# Completions of ${name} for fish.`]
  if (commands.length > 0) lines.push(`complete -c ${name} -f`)
  for (const option of options) lines.push(`complete -c ${name} ${fishOption(option)}`)
  for (const command of [...commands, ...modes]) {
    const text = fishText(command.summary)
    lines.push(`complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${text}`)
    const inside = `-n '__fish_seen_subcommand_from ${command.name}'`
    if (command.words) lines.push(`complete -c ${name} ${inside} -a '${command.words.join(' ')}'`)
    for (const option of command.options) lines.push(`complete -c ${name} ${inside} ${fishOption(option)}`)
  }
  return `${lines.join('\n')}\n`
}

function fishOption({ names, summary, value }: CompletedOption): string {
  const flags = names.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  const follows = typeof value === 'object' ? `-x -a '${value.words.join(' ')}'` : value === 'path' ? '-r -F' : '-x'
  return [...flags, ...(value === undefined ? [] : [follows]), `-d ${fishText(summary)}`].join(' ')
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function optionNames(options: readonly CompletedOption[]): string[] {
  return unique(options.flatMap(({ names }) => names))
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
