// Reads what the sanitizers wrote about one process, for check-asan.mjs.

/** A frame of a stack, as the sanitizers print it: its number, and where it is. */
const framePattern = /^\s*#\d+ .*$/
const leakPattern = /^(Direct|Indirect) leak of /

/** Where memory comes from, above which stands who asked for it. */
const allocatorPattern = /lib[al]san|operator new|libstdc\+\+/

/** The leak checker looks at a process that is ending, and now and then a stack goes while it looks. */
const checkerFailed = 'LeakSanitizer has encountered a fatal error'

/**
 * The reports in the text that count: all of errors, and of leaks those whose memory the addon asked for itself.
 *
 * @param {string} text The whole of a file that the run-time library wrote.
 * @returns {string[]}
 */
export function countedReports(text) {
  const [errors, ...leaks] = text.split(/^==\d+==ERROR: LeakSanitizer: detected memory leaks$/m)
  const isError = /ERROR: AddressSanitizer/.test(errors)
  const counted = leaks.flatMap((part) => part.split(/\n\s*\n/)).filter((block) => leakPattern.test(block.trimStart()))
  if (isError) return [errors, ...counted.filter(isOurs)]
  // What is neither is shown as it is, unless it is that the checker failed.
  const isUnknown = leaks.length === 0 && text.trim() !== '' && !text.includes(checkerFailed)
  return isUnknown ? [text] : counted.filter(isOurs)
}

function isOurs(block) {
  const frames = block.split('\n').filter((line) => framePattern.test(line))
  return frames.find((frame) => !allocatorPattern.test(frame))?.includes('hornet.node') ?? false
}
