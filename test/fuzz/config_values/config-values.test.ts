/**
 * Promise: whatever an operator writes as a value is taken for what it says, or refused in one line; nothing throws,
 * and what is shown of a value can be given again. For longer: `npm run fuzz -- config_values 60`.
 */
import { test } from 'node:test'
import { Random } from '../random.js'
import { checkAll } from './properties.js'

const runs = 1500

for (const first of [1, Date.now() >>> 0]) {
  test(`${runs} configurations from seed ${first}`, () => {
    for (let run = 0; run < runs; run++) checkAll(new Random(first + run))
  })
}
