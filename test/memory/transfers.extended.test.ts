/**
 * Promise: a body of a gibibyte costs the server less than 100 MiB, in either direction.
 */
import { test } from 'node:test'
import { mebibyte, skip } from './process-memory.js'
import { checkTransfers } from './transfers.js'

test('1 GiB each way', { skip }, () => checkTransfers(1024, 100 * mebibyte))
