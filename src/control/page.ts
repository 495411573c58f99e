/**
 * The dashboard: one page with its style and script in it, so that it works without network and without a build step.
 */
import { readFileSync } from 'node:fs'
import { builtins } from '../builtins.js'

export interface Page {
  html: string
  /** Content-Security-Policy: our own style and script, our own API, nothing else. */
  policy: string
}

let page: Page | undefined

/** Read when first asked for; most servers never are. */
export function dashboardPage(): Page {
  page ??= readPage(readFileSync(new URL('../control/dashboard.html', import.meta.url), 'utf8'))
  return page
}

function readPage(html: string): Page {
  const policy = [
    `default-src 'none'`,
    `script-src ${hashes(html, 'script')}`,
    `style-src ${hashes(html, 'style')}`,
    `connect-src 'self'`,
    `img-src data:`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
  return { html, policy }
}

/** Hashes of what stands in the elements of this name: an injected one would have another. */
function hashes(html: string, element: 'script' | 'style'): string {
  const texts = [...html.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, 'gs'))].map((match) => match[1])
  const { createHash } = builtins.crypto()
  return texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ')
}
