/**
 * The same promise as smuggling.test.ts, for thousands of mutations of its vectors.
 */
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { mutate, proxyNames, setStage, vectors } from './smuggling.js'

const mutations = 3000

for (const name of proxyNames) {
  const command = name.split(',')[0] as string
  const isMissing = spawnSync(command, ['-v']).error !== undefined && `${command} is not installed`
  test(`${mutations} mutations through ${name}`, { skip: isMissing }, async (t) => {
    const stage = await setStage(name)
    try {
      for (let seed = 0; seed < mutations; seed++) {
        await stage.attack(mutate(vectors[seed % vectors.length] as (typeof vectors)[number], seed))
      }
      const { seen } = await stage.judge()
      t.diagnostic(`${seen} requests reached the application, each as ${command} sent it`)
    } finally {
      await stage.close()
    }
  })
}
