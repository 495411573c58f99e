/**
 * Promise: what `/metrics` says is the text format, whatever names and numbers come along, and the registries of several
 * workers read as one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exposeMetrics, histogramSamples, single } from '../../src/metrics/exposition.js'
import {
  type AppMetric,
  appValuesMax,
  mergeAppMetrics,
  readAppMetrics,
  retireAppMetrics,
} from '../../src/metrics/merge.js'

test('help, type, labels and values are escaped and formatted', () => {
  const text = exposeMetrics([
    single('a_total', 'counter', 'Back\\slash and\nline feed.', 3),
    {
      name: 'b',
      help: 'Odd values.',
      type: 'gauge',
      samples: [
        { labels: { path: 'C:\\x "y"\n', n: 1 }, value: Number.NaN },
        { value: Number.POSITIVE_INFINITY },
        { value: 1e21 },
      ],
    },
    { name: 'none', help: 'Nothing to show.', type: 'gauge', samples: [] },
  ])
  assert.equal(
    text,
    '# HELP a_total Back\\\\slash and\\nline feed.\n# TYPE a_total counter\na_total 3\n' +
      '# HELP b Odd values.\n# TYPE b gauge\nb{path="C:\\\\x \\"y\\"\\n",n="1"} NaN\nb +Inf\nb 1e+21\n',
  )
})

test('a histogram is cumulative, and ends with infinity, sum and count', () => {
  const samples = histogramSamples({ bounds: [0.1, 1], counts: [2, 0, 1], sum: 9.5 }, { phase: 'queue' })
  assert.equal(
    exposeMetrics([{ name: 'h', help: 'H.', type: 'histogram', samples }]),
    '# HELP h H.\n# TYPE h histogram\nh_bucket{phase="queue",le="0.1"} 2\nh_bucket{phase="queue",le="1"} 2\n' +
      'h_bucket{phase="queue",le="+Inf"} 3\nh_sum{phase="queue"} 9.5\nh_count{phase="queue"} 3\n',
  )
})

const metric = (name: string, type: string, value: number, more: Partial<AppMetric> = {}): AppMetric => ({
  name,
  type,
  help: name,
  values: [{ value, labels: { a: 'x', b: 'y' } }],
  ...more,
})

test('metrics of workers are merged as prom-client would', () => {
  const merged = mergeAppMetrics(
    [
      [metric('c', 'counter', 1), metric('max', 'gauge', 5, { aggregator: 'max' }), metric('own', 'counter', 1)],
      [
        // The labels in another order are the same labels.
        {
          ...metric('c', 'counter', 0),
          values: [
            { value: 2, labels: { b: 'y', a: 'x' } },
            { value: 4, labels: {} },
          ],
        },
        metric('max', 'gauge', 3, { aggregator: 'max' }),
        metric('gone', 'gauge', 3, { aggregator: 'omit' }),
        metric('mean', 'gauge', 3, { aggregator: 'average' }),
      ],
      [metric('mean', 'gauge', 5)],
    ],
    new Set(['own']),
  )
  const values = Object.fromEntries(merged.map(({ name, samples }) => [name, samples.map(({ value }) => value)]))
  assert.deepEqual(values, { c: [3, 4], max: [5], gone: [], mean: [4] })
})

test('what a worker counted stays when it is gone; its gauges go', () => {
  const retired = retireAppMetrics([metric('c', 'counter', 1)], [metric('c', 'counter', 2), metric('g', 'gauge', 2)])
  assert.deepEqual(
    retired.map(({ name, values }) => [name, values[0].value]),
    [['c', 3]],
  )
})

test('what an application gives is checked and bounded', () => {
  const values = Array.from({ length: appValuesMax + 5 }, (_, index) => ({ value: index, labels: { index } }))
  const read = readAppMetrics([
    null,
    { name: 'no values' },
    { name: 'bad name', values: [] },
    {
      name: 'odd',
      values: [
        { value: 'x', labels: {} },
        { value: 1, labels: { 'a-b': 1 } },
        { value: 1, labels: {}, metricName: 'odd_evil{}' },
      ],
    },
    { name: 'h', type: 'histogram', values: [{ value: 1, labels: { le: 1 }, metricName: 'h_bucket' }] },
    { name: 'many', values },
  ])
  assert.deepEqual(
    read.map(({ name, values }) => [name, values.length]),
    [
      ['odd', 0],
      ['h', 1],
      ['many', appValuesMax - 1],
    ],
  )
  assert.deepEqual(readAppMetrics('nonsense'), [])
})
