/**
 * Promise: the size of a file is nothing to the server's memory. Extended: `npm test -- static/`.
 */
import { test } from 'node:test'
import { mebibyte, sendLargeFile } from './large-file.js'

test('a file of 4 GiB and a byte passes through a few hundred KiB of memory', () => sendLargeFile(4096 * mebibyte + 1))
