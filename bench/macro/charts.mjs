// The charts of a report, as SVG. They lie on light and on dark pages: no background, and every colour is of a middle
// lightness that is readable on both.

import { parse, View } from 'vega'
import { compile } from 'vega-lite'
import { ratioOf, spreadOf } from './statistics.mjs'

const ink = '#747d88'

/** Peers keep their colour in every chart; the floor, which is no server, is grey. */
const colours = {
  Hornet: '#e8590c',
  'node:http': '#3f9142',
  'node:cluster': '#3f9142',
  PM2: '#8a63c9',
  Bun: '#c2569a',
  Deno: '#3b82c4',
  nginx: '#1f9a92',
  'uWebSockets.js': '#a0713c',
  'C epoll floor': '#8a919a',
}
const colourOf = (title) => Object.entries(colours).find(([start]) => title.startsWith(start))?.[1] ?? ink

const config = {
  background: null,
  font: 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif',
  view: { stroke: null },
  title: { color: ink, fontSize: 14, anchor: 'start', offset: 12, subtitleColor: ink, subtitleFontSize: 12 },
  axis: { labelColor: ink, titleColor: ink, titleFontWeight: 'normal', labelFontSize: 12, titleFontSize: 12 },
  axisX: { gridColor: ink, gridOpacity: 0.2, domain: false, ticks: false },
  axisY: { gridColor: ink, gridOpacity: 0.2, domain: false, ticks: false, labelLimit: 0, labelPadding: 8 },
  legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, title: null, orient: 'bottom', columns: 4 },
}

/** @returns {Promise<string>} SVG. */
export async function draw(spec) {
  const view = new View(parse(compile({ config, width: 560, ...spec }).spec), { renderer: 'none' })
  try {
    const svg = await view.toSVG()
    return `${svg}\n`
  } finally {
    view.finalize()
  }
}

/**
 * Horizontal bars, one for each value, with the spread as a line.
 *
 * @param {{ title: string, subtitle?: string, unit: string, format?: string, rows: { label: string, value: number,
 *   low?: number, high?: number, colour?: string }[], rule?: number }} chart
 */
export function bars({ title, subtitle, unit, format = ',.1f', rows, rule }) {
  const values = rows.map((row) => ({ colour: colourOf(row.label), low: row.value, high: row.value, ...row }))
  const y = { field: 'label', type: 'nominal', sort: null, title: null, axis: { grid: false } }
  const text = { align: 'left', dx: 6, color: ink, fontSize: 12 }
  return {
    title: { text: title, ...(subtitle === undefined ? {} : { subtitle }) },
    data: { values },
    height: { step: 28 },
    encoding: { y },
    layer: [
      {
        mark: { type: 'bar', height: 16, cornerRadiusEnd: 2 },
        encoding: {
          x: { field: 'value', type: 'quantitative', title: unit, scale: { zero: true } },
          color: { field: 'colour', type: 'nominal', scale: null },
        },
      },
      {
        mark: { type: 'rule', color: ink, size: 1.5 },
        encoding: { x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'text', ...text },
        encoding: {
          x: { field: 'high', type: 'quantitative' },
          text: { field: 'value', type: 'quantitative', format },
        },
      },
      ...(rule === undefined
        ? []
        : [{ mark: { type: 'rule', color: ink, strokeDash: [4, 3] }, encoding: { x: { datum: rule }, y: null } }]),
    ],
  }
}

/**
 * Lines, one for each server.
 *
 * @param {{ title: string, subtitle?: string, x: { title: string, log?: boolean, labels?: string[],
 *   values?: number[] }, y: { title: string, log?: boolean }, points: { label: string, x: number | string, y: number }[], colours?: Record<string, string>,
 *   legendColumns?: number }} chart
 */
export function lines({ title, subtitle, x, y, points, colours: own = {}, legendColumns = 4 }) {
  const labels = [...new Set(points.map(({ label }) => label))]
  const range = labels.map((label) => own[label] ?? colourOf(label))
  const isOrdinal = x.labels !== undefined
  return {
    title: { text: title, ...(subtitle === undefined ? {} : { subtitle }) },
    data: { values: points },
    height: 260,
    mark: { type: 'line', point: { size: 40 }, strokeWidth: 2 },
    encoding: {
      x: {
        field: 'x',
        type: isOrdinal ? 'ordinal' : 'quantitative',
        title: x.title,
        axis: { labelAngle: 0, ...(x.values === undefined ? {} : { values: x.values }) },
        ...(isOrdinal ? { sort: x.labels } : { scale: x.log ? { type: 'log', base: 2 } : {} }),
      },
      y: {
        field: 'y',
        type: 'quantitative',
        title: y.title,
        scale: y.log ? { type: 'log' } : { zero: true },
        axis: { tickCount: 5, ...(y.log ? { format: '~g' } : {}) },
      },
      color: {
        field: 'label',
        type: 'nominal',
        scale: { domain: labels, range },
        legend: { columns: legendColumns, labelLimit: 0 },
      },
    },
  }
}

// ---- what is drawn of a run

/**
 * @param {import('./report.mjs').Results} results
 * @returns {{ name: string, title: string, spec: object }[]} Only of what was measured.
 */
export function chartsOf({ scenarios: results }) {
  const result = (name) => results.find((each) => each.name === name)
  return [
    rank('plaintext-cpu', result('write-head'), 'cpuUs', 'Plain text: processor time per request', 'µs', ',.1f'),
    rank(
      'plaintext-rate',
      result('write-head'),
      'rate',
      'Plain text: requests per second on one processor',
      'requests/s',
      ',.0f',
    ),
    frameworks(result),
    ratios(results),
    blocking(result('blocking')),
    connections(result),
    percentiles('fixed-rate', result('fixed-rate'), 'Latency at 2,000 requests/s'),
    rank('idle-memory', result('idle-memory'), 'connectionBytes', 'Memory of an idle connection', 'bytes', ',.0f'),
    rank('start-up', result('start-up'), 'startMs', 'From start to the first answer', 'ms', ',.0f'),
  ].filter((chart) => chart !== undefined)
}

function rank(name, result, measure, title, unit, format) {
  const rows = (result?.rows ?? []).flatMap((row) => {
    const spread = spreadOf(row, measure)
    return spread === undefined ? [] : [{ label: row.title, value: spread.median, low: spread.low, high: spread.high }]
  })
  if (rows.length < 2) return undefined
  rows.sort((a, b) => (measure === 'rate' ? b.value - a.value : a.value - b.value))
  return { name, title, spec: bars({ title, subtitle: 'median, and the range of the rounds', unit, format, rows }) }
}

function frameworks(result) {
  const names = { express: 'Express 5', fastify: 'Fastify', koa: 'Koa', hono: 'Hono' }
  const rows = Object.entries(names).flatMap(([name, framework]) =>
    (result(name)?.rows ?? []).flatMap((row) => {
      const spread = spreadOf(row, 'cpuUs')
      if (spread === undefined || !/^(hornet-1|node:http|bun|deno)$/.test(row.name)) return []
      return [{ framework, label: row.title, value: spread.median, low: spread.low, high: spread.high }]
    }),
  )
  if (rows.length < 2) return undefined
  const title = 'Frameworks: processor time per request'
  const labels = [...new Set(rows.map(({ label }) => label))]
  const x = { field: 'value', type: 'quantitative', title: 'µs' }
  const spec = {
    title: { text: title, subtitle: 'median, and the range of the rounds' },
    data: { values: rows },
    height: { step: 20, for: 'offset' },
    encoding: {
      y: {
        field: 'framework',
        type: 'nominal',
        sort: null,
        title: null,
        axis: { grid: false },
        scale: { paddingInner: 0.3 },
      },
      yOffset: { field: 'label', sort: labels },
    },
    layer: [
      {
        mark: { type: 'bar', cornerRadiusEnd: 2 },
        encoding: {
          x,
          color: { field: 'label', type: 'nominal', scale: { domain: labels, range: labels.map(colourOf) } },
        },
      },
      {
        mark: { type: 'rule', color: ink, size: 1.5 },
        encoding: { x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, color: ink, fontSize: 12 },
        encoding: {
          x: { field: 'high', type: 'quantitative' },
          text: { field: 'value', type: 'quantitative', format: ',.1f' },
        },
      },
    ],
  }
  return { name: 'frameworks', title, spec }
}

const shortNames = {
  'write-head': 'plain text, writeHead',
  'set-header': 'plain text, setHeader',
  express: 'Express 5',
  'express-26': 'Express 5, Node.js 26',
  fastify: 'Fastify',
  koa: 'Koa',
  hono: 'Hono',
  headers: 'headers of a browser',
  json: 'JSON, 1 KiB',
  'post-1k': 'POST, 1 KiB',
  'post-1m': 'POST, 1 MiB',
  'response-64k': 'response of 64 KiB',
  pipelined: '16 pipelined',
  'new-connection': 'a connection per request',
  'lone-client': '1 connection',
  'connections-512': '512 connections',
  'connections-4096': '4096 connections',
  https: 'HTTPS',
  'https-new-connection': 'HTTPS, a handshake per request',
  'https-64k': 'HTTPS, response of 64 KiB',
  http2: 'HTTP/2',
}

function ratios(results) {
  const rows = results.flatMap(({ name, rows: found }) => {
    // Beside TLS it is node:https or node:http2.
    const [own, base] = [/^hornet-1$/, /^node:http/].map((peer) => found.find((row) => peer.test(row.name)))
    const ratio = name in shortNames ? ratioOf(own, base, 'cpuUs') : undefined
    if (ratio === undefined) return []
    return [{ label: shortNames[name], value: ratio.median, low: ratio.low, high: ratio.high, colour: colours.Hornet }]
  })
  if (rows.length < 2) return undefined
  rows.sort((a, b) => a.value - b.value)
  const title = 'Processor time per request, Hornet with 1 worker ÷ node:http'
  const subtitle = 'or node:https, node:http2; less is better; at the dashed line both need the same'
  return { name: 'ratios', title, spec: bars({ title, subtitle, unit: 'ratio', format: '.2f', rows, rule: 1 }) }
}

function blocking(result) {
  return percentiles('blocking', result, 'One request in 100 blocks its thread for 100 ms: latency of the others', true)
}

function percentiles(name, result, title, log = false) {
  const shares = { p50Us: '50%', p90Us: '90%', p99Us: '99%', p999Us: '99.9%' }
  const points = (result?.rows ?? []).flatMap((row) =>
    Object.entries(shares).flatMap(([measure, x]) => {
      const spread = spreadOf(row, measure)
      return spread === undefined ? [] : [{ label: row.title, x, y: spread.median / 1000 }]
    }),
  )
  if (points.length === 0) return undefined
  const subtitle = 'from when each request was due; median of the rounds'
  const x = { title: 'share of the requests that took no longer', labels: Object.values(shares) }
  return { name, title, spec: lines({ title, subtitle, x, y: { title: 'ms', log }, points }) }
}

function connections(result) {
  const counts = { 'lone-client': 1, 'write-head': 64, 'connections-512': 512, 'connections-4096': 4096 }
  const points = Object.entries(counts).flatMap(([name, x]) =>
    (result(name)?.rows ?? []).flatMap((row) => {
      const spread = spreadOf(row, 'cpuUs')
      if (spread === undefined || !/^(hornet-1|node:http|floor)$/.test(row.name)) return []
      return [{ label: row.title, x, y: spread.median }]
    }),
  )
  if (new Set(points.map(({ x }) => x)).size < 2) return undefined
  const title = 'Processor time per request, by number of connections'
  const x = { title: 'connections', log: true, values: Object.values(counts) }
  return { name: 'connections', title, spec: lines({ title, x, y: { title: 'µs' }, points }) }
}
