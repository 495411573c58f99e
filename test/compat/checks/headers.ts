/**
 * ServerResponse: the head: status, fields, and how they come out on the wire.
 */
import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders, ServerOptions, ServerResponse } from 'node:http'
import type { RawResponse } from '../../support/http.js'
import { bare, check, codeThrownBy, isSame, message, type Stage, same, thrownBy } from '../stage.js'

/** A response that `act` makes; it is ended when `act` does not. */
async function made(
  stage: Stage,
  act: (res: ServerResponse) => unknown,
  request: string | Buffer = message('GET', '/'),
  options: ServerOptions = {},
): Promise<RawResponse> {
  const served = await stage.serve((_req, res) => {
    act(res)
    if (!res.writableEnded) res.end()
  }, options)
  return served.send(request)
}

/** What `act` gives or throws on a response that nobody touched yet. */
async function on<T>(stage: Stage, act: (res: ServerResponse) => T): Promise<T> {
  const { res, connection } = await stage.exchange(message('GET', '/'))
  try {
    return act(res)
  } finally {
    if (!res.writableEnded) res.end()
    await connection.readResponse()
  }
}

/** The fields that the application gave, as they were sent. */
function own({ rawHeaders }: RawResponse): [string, string][] {
  const automatic = ['Date', 'Connection', 'Keep-Alive', 'Content-Length', 'Transfer-Encoding']
  return rawHeaders.filter(([name]) => !automatic.includes(name))
}

/** The head in full, with the clock taken out. */
function headOf({ status, reason, rawHeaders }: RawResponse): unknown[] {
  return [status, reason, ...rawHeaders.map(([name, value]) => (name === 'Date' ? name : `${name}: ${value}`))]
}

const overloads: [string, (res: ServerResponse) => unknown][] = [
  ['writeHead(status)', (res) => res.writeHead(201)],
  ['writeHead(status, message)', (res) => res.writeHead(201, 'Made It')],
  ['writeHead(status, headers)', (res) => res.writeHead(201, { 'X-A': 'b' })],
  ['writeHead(status, message, headers)', (res) => res.writeHead(201, 'Made It', { 'X-A': 'b' })],
  ['writeHead(status, undefined, headers)', (res) => res.writeHead(201, undefined, { 'X-A': 'b' })],
  ['writeHead(status, flat array)', (res) => res.writeHead(201, ['X-A', 'b', 'X-a', 'c'])],
  ['writeHead(status, array of pairs)', (res) => res.writeHead(201, [['X-A', 'b'] as never, ['X-C', 'd'] as never])],
  ['writeHead(status, array values)', (res) => res.writeHead(201, { 'X-A': ['b', 'c'] })],
  ['writeHead(status, flat array with array values)', (res) => res.writeHead(201, ['X-A', ['b', 'c'] as never])],
  ['writeHead(status, numbers)', (res) => res.writeHead(201, { 'X-A': 5, 'Content-Length': 0 })],
  ['writeHead(status, {})', (res) => res.writeHead(201, {})],
  ['writeHead(status, null)', (res) => res.writeHead(201, null as never)],
  ["writeHead('status')", (res) => res.writeHead('201' as never)],
  ['writeHead(status.5)', (res) => res.writeHead(201.9)],
  ['writeHead(404)', (res) => res.writeHead(404)],
  ['writeHead(799)', (res) => res.writeHead(799)],
  [
    'setHeader, then writeHead of the same name',
    (res) => {
      res.setHeader('X-A', 'set')
      res.setHeader('X-B', 'set')
      res.writeHead(201, { 'x-a': 'written' })
    },
  ],
  [
    'setHeader, then writeHead with a flat array',
    (res) => {
      res.setHeader('X-A', 'set')
      res.writeHead(201, ['X-A', 'written', 'X-A', 'twice'])
    },
  ],
  [
    'setHeader, then writeHead with an array of pairs',
    (res) => {
      res.setHeader('X-A', 'set')
      res.setHeader('X-B', 'set')
      res.writeHead(201, [['X-A', 'written'] as never])
    },
  ],
  [
    'statusCode and statusMessage, then writeHead(status)',
    (res) => {
      res.statusCode = 404
      res.statusMessage = 'Mine'
      res.writeHead(201)
    },
  ],
]

const statuses = [100, 101, 199, 200, 204, 205, 299, 304, 404, 599, 600, 799, 999]
const badStatuses = [99, 1000, 0, -1, 1e9, Number.NaN, 'abc', '', null, undefined, {}, [], true, Infinity]

const wires: [string, (res: ServerResponse) => unknown][] = [
  ['an empty response', (res) => res.end()],
  ['end(text)', (res) => res.end('text')],
  ['end(buffer)', (res) => res.end(Buffer.from('bytes'))],
  ['end of an empty string', (res) => res.end('')],
  [
    'write, then end',
    (res) => {
      res.write('a')
      res.end('b')
    },
  ],
  [
    'write with Content-Length',
    (res) => {
      res.setHeader('Content-Length', 2)
      res.write('a')
      res.end('b')
    },
  ],
  [
    'writeHead, then end(text)',
    (res) => {
      res.writeHead(200, { 'Content-Type': 'text/plain' })
      res.end('text')
    },
  ],
  [
    'setHeader, then end(text)',
    (res) => {
      res.setHeader('Content-Type', 'text/plain')
      res.end('text')
    },
  ],
  [
    'flushHeaders, then end(text)',
    (res) => {
      res.flushHeaders()
      res.end('text')
    },
  ],
  [
    'sendDate = false',
    (res) => {
      res.sendDate = false
      res.end('text')
    },
  ],
  [
    "a Date of one's own",
    (res) => {
      res.setHeader('date', 'yesterday')
      res.end('text')
    },
  ],
  [
    'Connection: close',
    (res) => {
      res.setHeader('Connection', 'close')
      res.end('text')
    },
  ],
  [
    'connection: Close, in another case',
    (res) => {
      res.setHeader('connection', 'Close')
      res.end('text')
    },
  ],
  [
    'Connection: keep-alive',
    (res) => {
      res.setHeader('Connection', 'keep-alive')
      res.end('text')
    },
  ],
  [
    'Connection: x-option',
    (res) => {
      res.setHeader('Connection', 'x-option')
      res.end('text')
    },
  ],
  [
    "Keep-Alive of one's own",
    (res) => {
      res.setHeader('Keep-Alive', 'timeout=77')
      res.end('text')
    },
  ],
  [
    'shouldKeepAlive = false',
    (res) => {
      res.shouldKeepAlive = false
      res.end('text')
    },
  ],
  [
    'removeHeader(connection)',
    (res) => {
      res.removeHeader('connection')
      res.end('text')
    },
  ],
  [
    'removeHeader(date)',
    (res) => {
      res.removeHeader('date')
      res.end('text')
    },
  ],
  [
    'removeHeader(content-length)',
    (res) => {
      res.removeHeader('content-length')
      res.end('text')
    },
  ],
  [
    'removeHeader(transfer-encoding)',
    (res) => {
      res.removeHeader('transfer-encoding')
      res.write('te')
      res.end('xt')
    },
  ],
  [
    'Transfer-Encoding: chunked by hand',
    (res) => {
      res.setHeader('Transfer-Encoding', 'chunked')
      res.end('text')
    },
  ],
  [
    'useChunkedEncodingByDefault = false',
    (res) => {
      res.useChunkedEncodingByDefault = false
      res.write('te')
      res.end('xt')
    },
  ],
  [
    'Trailer announced, none sent',
    (res) => {
      res.setHeader('Trailer', 'x-t')
      res.write('text')
      res.end()
    },
  ],
  [
    'Expect, Upgrade and other special names',
    (res) => {
      res.setHeader('Upgrade', 'x')
      res.setHeader('Expect', 'y')
      res.setHeader('Via', 'z')
      res.end('text')
    },
  ],
  [
    'a cookie array',
    (res) => {
      res.setHeader('Cookie', ['a=1', 'b=2'])
      res.setHeader('Set-Cookie', ['c=3', 'd=4'])
      res.end('text')
    },
  ],
  [
    'an empty array value',
    (res) => {
      res.setHeader('X-None', [])
      res.end('text')
    },
  ],
  [
    'number, boolean-like and empty values',
    (res) => {
      res.setHeader('X-N', 5)
      res.setHeader('X-E', '')
      res.setHeader('X-A', [1, 2] as never)
      res.end('text')
    },
  ],
  [
    'latin1 values',
    (res) => {
      res.setHeader('X-L', '\xe9\xff')
      res.end('text')
    },
  ],
  [
    'a status message of latin1',
    (res) => {
      res.statusMessage = 'caf\xe9'
      res.end('text')
    },
  ],
  [
    'statusMessage, empty',
    (res) => {
      res.statusMessage = ''
      res.end('text')
    },
  ],
  [
    'statusCode without a known message',
    (res) => {
      res.statusCode = 299
      res.end('text')
    },
  ],
  [
    'a 204',
    (res) => {
      res.statusCode = 204
      res.end()
    },
  ],
  [
    'a 204 with a body that may not be',
    (res) => {
      res.statusCode = 204
      res.end('text')
    },
  ],
  [
    'a 304 with fields of the body',
    (res) => {
      res.writeHead(304, { ETag: '"a"', 'Content-Type': 'text/plain' })
      res.end()
    },
  ],
  [
    'a 204 with Content-Length',
    (res) => {
      res.writeHead(204, { 'Content-Length': '0' })
      res.end()
    },
  ],
  [
    'a 304 with Content-Length',
    (res) => {
      res.writeHead(304, { 'Content-Length': '10' })
      res.end()
    },
  ],
  [
    'a 205',
    (res) => {
      res.statusCode = 205
      res.end()
    },
  ],
  [
    'writeHead with Content-Length and Connection: close',
    (res) => {
      res.writeHead(200, { 'Content-Length': 4, Connection: 'close' })
      res.end('text')
    },
  ],
  [
    'end(text, latin1)',
    (res) => {
      res.end('\xe9', 'latin1')
    },
  ],
  [
    'content-disposition in latin1',
    (res) => {
      res.setHeader('Content-Length', 0)
      res.setHeader('Content-Disposition', 'attachment; filename="\xe9.txt"')
      res.end()
    },
  ],
  ...[200, 204, 304].map((status): [string, (res: ServerResponse) => void] => [
    `${status} without the fields of a body`,
    (res) => {
      res.statusCode = status
      res.setHeader('Content-Type', 'text/plain').setHeader('Content-Length', 3).setHeader('ETag', '"a"')
      for (const name of ['Content-Type', 'Content-Length', 'Transfer-Encoding']) res.removeHeader(name)
      res.end()
    },
  ]),
]

const requests: [string, string][] = [
  ['HTTP/1.1', bare('GET /', ['Host: x'])],
  ['HEAD', bare('HEAD /', ['Host: x'])],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
  ['HTTP/1.0 keep-alive', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'],
  ['Connection: close', bare('GET /', ['Host: x', 'Connection: close'])],
]

/** Heads alike in all but what must not be mixed up, by number. */
const alike: ((res: ServerResponse) => void)[] = [
  (res) => res.writeHead(200, { 'X-A': 'one', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'X-A': 'two', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'X-B': 'one', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'x-a': 'one', 'Content-Length': '2' }),
  (res) => res.writeHead(200, ['X-A', 'one', 'X-A', 'two', 'Content-Length', '2'] as never),
  (res) => res.writeHead(200, 'Fine', { 'X-A': 'one', 'Content-Length': 2 }),
  (res) => res.writeHead(201, { 'X-A': 'one', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'X-A': 1, 'X-B': '1', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'X-A': '1', 'X-B': 1, 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'X-A': 'one', Date: 'today', 'Content-Length': 2 }),
  (res) => res.writeHead(200, { 'Content-Length': 2, 'X-A': 'one' }),
  (res) => res.setHeader('X-A', 'one').setHeader('Content-Length', 2),
  (res) => res.setHeader('X-A', 'one'),
  (res) => res.setHeader('X-A', '\xe9\xe9\xe9'),
  (res) => res.setHeader('Set-Cookie', ['a=1', 'b=2']).setHeader('X-A', 'one'),
  (res) => res.setHeader('Set-Cookie', ['a=1', 'b=3']).setHeader('X-A', 'one'),
]

export const checks = [
  same('heads that come again are not mixed up', async (stage) => {
    const served = await stage.serve((req, res) => {
      alike[Number(req.url?.slice(1))](res)
      res.end('ok')
    })
    const connection = await served.connect()
    const seen = new Set<string>()
    for (let round = 0; round < 40; round++) {
      for (let n = 0; n < alike.length; n++) {
        // Another order in every round.
        const which = (n * (2 * round + 1) + round) % alike.length
        connection.write(bare(`GET /${which}`, ['Host: x']))
        seen.add(JSON.stringify([which, ...headOf(await connection.readResponse())]))
      }
    }
    assert.equal(seen.size, alike.length)
    return [...seen].sort()
  }),

  ...wires.map(([name, act]) =>
    same(`on the wire: ${name}, to every kind of request`, async (stage) => {
      const answers: unknown[] = []
      const served = await stage.serve((_req, res) => {
        const thrown = codeThrownBy(() => act(res))
        if (thrown === 'nothing thrown') return
        answers.push(thrown)
        res.destroy()
      })
      for (const [kind, bytes] of requests) {
        const response = await served.send(bytes).catch(() => undefined)
        if (response === undefined) continue
        answers.push([kind, ...headOf(response), response.framing, response.body.toString('latin1')])
      }
      return answers
    }),
  ),

  ...overloads.map(([name, act]) =>
    same(`on the wire: ${name}`, async (stage) => {
      let thrown = ''
      const response = await made(stage, (res) => {
        thrown = codeThrownBy(() => act(res))
      })
      return [thrown, ...headOf(response)]
    }),
  ),

  same('every status from 200 on, by statusCode', async (stage) => {
    const served = await stage.serve((req, res) => {
      res.statusCode = Number(req.url?.slice(1))
      res.end('x')
    })
    const answers: unknown[] = []
    for (const status of statuses.filter((one) => one >= 200)) {
      const { reason, framing, text } = await served.get(`/${status}`)
      answers.push([status, reason, framing, text])
    }
    return answers
  }),

  same('bad status codes for writeHead', (stage) =>
    on(stage, (res) => badStatuses.map((status) => thrownBy(() => res.writeHead(status as never)))),
  ),

  same('bad status codes for an implicit head', (stage) =>
    on(stage, (res) => {
      const errors = badStatuses.map((status) => {
        res.statusCode = status as never
        return thrownBy(() => res.end())
      })
      res.statusCode = 200
      return errors
    }),
  ),

  check('writeHead gives the response, twice is an error', async (stage) => {
    await on(stage, (res) => {
      isSame(res.writeHead(200), res)
      assert.throws(() => res.writeHead(200), { code: 'ERR_HTTP_HEADERS_SENT', name: 'Error' })
    })
  }),

  check('writeHead alone sends nothing and makes headersSent true', async (stage) => {
    await on(stage, (res) => {
      assert.equal(res.headersSent, false)
      res.writeHead(200)
      assert.equal(res.headersSent, true)
    })
  }),

  same('writeHead with an odd array', (stage) => on(stage, (res) => thrownBy(() => res.writeHead(200, ['a'])))),
  same('writeHead with a value that is undefined', (stage) =>
    on(stage, (res) => thrownBy(() => res.writeHead(200, { a: undefined }))),
  ),
  same('writeHead with a bad name or value', (stage) =>
    on(stage, (res) => [
      thrownBy(() => res.writeHead(200, { 'a b': 'x' })),
      thrownBy(() => res.writeHead(200, { a: 'x\r\ny: z' })),
    ]),
  ),
  same('writeHead with a bad status message', (stage) =>
    on(stage, (res) => {
      const thrown = thrownBy(() => res.writeHead(200, 'bad\r\nmessage'))
      res.statusMessage = 'fine'
      return thrown
    }),
  ),
  same('a bad statusMessage is refused when the head is made', (stage) =>
    on(stage, (res) => {
      res.statusMessage = 'bad\nmessage'
      const thrown = thrownBy(() => res.end())
      res.statusMessage = 'fine'
      return thrown
    }),
  ),

  check('statusMessage is known after the head is made', async (stage) => {
    await on(stage, (res) => {
      assert.equal(res.statusMessage, undefined)
      res.writeHead(404)
      assert.equal(res.statusMessage, 'Not Found')
    })
  }),

  check('getHeader, hasHeader and removeHeader ignore case', async (stage) => {
    await on(stage, (res) => {
      res.setHeader('X-Name', 'value')
      assert.deepEqual(
        [res.getHeader('x-name'), res.getHeader('X-NAME'), res.hasHeader('x-NAME')],
        ['value', 'value', true],
      )
      res.removeHeader('x-nAmE')
      assert.deepEqual([res.getHeader('X-Name'), res.hasHeader('X-Name')], [undefined, false])
    })
  }),

  check('getHeader keeps the type it was given', async (stage) => {
    await on(stage, (res) => {
      const array = ['a', 'b']
      res.setHeader('n', 5)
      res.setHeader('a', array)
      assert.equal(res.getHeader('n'), 5)
      assert.equal(res.getHeader('a'), array)
    })
  }),

  check('getHeaders is a copy without prototype, by lower-case name', async (stage) => {
    await on(stage, (res) => {
      res.setHeader('X-A', '1')
      res.setHeader('Set-Cookie', ['a', 'b'])
      const headers = res.getHeaders()
      assert.equal(Object.getPrototypeOf(headers), null)
      assert.deepEqual({ ...headers }, { 'x-a': '1', 'set-cookie': ['a', 'b'] })
      headers['x-a'] = 'changed'
      assert.equal(res.getHeader('x-a'), '1')
    })
  }),

  check('getHeaderNames is lower-case, getRawHeaderNames as given, both in order', async (stage) => {
    await on(stage, (res) => {
      assert.deepEqual(res.getHeaderNames(), [])
      res.setHeader('X-B', '1')
      res.setHeader('X-A', '2')
      const raw = (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames()
      assert.deepEqual(
        [res.getHeaderNames(), raw],
        [
          ['x-b', 'x-a'],
          ['X-B', 'X-A'],
        ],
      )
    })
  }),

  check('setHeader, appendHeader, setHeaders and others give the response', async (stage) => {
    await on(stage, (res) => {
      isSame(res.setHeader('a', 'b'), res)
      isSame(res.appendHeader('a', 'c'), res)
      isSame(res.setHeaders(new Headers({ d: 'e' })), res)
      assert.equal(res.removeHeader('a'), undefined)
    })
  }),

  check('setHeader again replaces the value, keeps the place and takes the new spelling', async (stage) => {
    const response = await made(stage, (res) => {
      res.setHeader('X-A', '1')
      res.setHeader('X-B', '2')
      res.setHeader('x-a', '3')
    })
    assert.deepEqual(own(response), [
      ['x-a', '3'],
      ['X-B', '2'],
    ])
  }),

  check('names come out as they were spelled', async (stage) => {
    const response = await made(stage, (res) => {
      res.setHeader('X-MiXed', 'a')
      res.setHeader('lower', 'b')
      res.setHeader('UPPER', 'c')
    })
    assert.deepEqual(own(response), [
      ['X-MiXed', 'a'],
      ['lower', 'b'],
      ['UPPER', 'c'],
    ])
  }),

  check('array values are one field each', async (stage) => {
    const response = await made(stage, (res) => {
      res.setHeader('Set-Cookie', ['a=1', 'b=2'])
      res.setHeader('X-Many', ['1', '2', '3'])
    })
    assert.deepEqual(own(response), [
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
      ['X-Many', '1'],
      ['X-Many', '2'],
      ['X-Many', '3'],
    ])
  }),

  check('appendHeader adds to what is there', async (stage) => {
    await on(stage, (res) => {
      res.appendHeader('a', '1')
      assert.equal(res.getHeader('a'), '1')
      res.appendHeader('A', '2')
      assert.deepEqual(res.getHeader('a'), ['1', '2'])
      res.appendHeader('a', ['3', '4'])
      assert.deepEqual(res.getHeader('a'), ['1', '2', '3', '4'])
      res.appendHeader('b', ['5', '6'])
      assert.deepEqual(res.getHeader('b'), ['5', '6'])
    })
  }),

  check('appendHeader on the wire', async (stage) => {
    const response = await made(stage, (res) => {
      res.setHeader('X-A', '1')
      res.appendHeader('X-A', '2')
      res.appendHeader('Set-Cookie', 'a')
      res.appendHeader('Set-Cookie', 'b')
    })
    assert.deepEqual(own(response), [
      ['X-A', '1'],
      ['X-A', '2'],
      ['Set-Cookie', 'a'],
      ['Set-Cookie', 'b'],
    ])
  }),

  check('setHeaders takes Headers and Map', async (stage) => {
    await on(stage, (res) => {
      res.setHeaders(new Headers({ 'X-A': '1', 'X-B': '2' }))
      res.setHeaders(new Map([['X-C', '3']]))
      assert.deepEqual({ ...res.getHeaders() }, { 'x-a': '1', 'x-b': '2', 'x-c': '3' })
    })
  }),

  same('setHeaders with several set-cookie', (stage) =>
    on(stage, (res) => {
      const headers = new Headers()
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      res.setHeaders(headers)
      return res.getHeader('set-cookie')
    }),
  ),

  same('setHeaders with something else', (stage) =>
    on(stage, (res) =>
      [['a', 'b'], { a: 'b' }, null, undefined, 'x', 1].map((value) => thrownBy(() => res.setHeaders(value as never))),
    ),
  ),

  same('bad names for setHeader', (stage) =>
    on(stage, (res) =>
      ['', 'a b', 'a:', 'é', 'a\n', undefined, null, 5, {}].map((name) =>
        thrownBy(() => res.setHeader(name as never, 'x')),
      ),
    ),
  ),
  same('bad values for setHeader', (stage) =>
    on(stage, (res) =>
      [undefined, null, 'a\r\nb', 'a\0', '€', ['a', 'b\n'], '\x7f', {}, true, Symbol('s')].map((value) => {
        try {
          res.setHeader('a', value as never)
          return `taken: ${String(res.getHeader('a'))}`
        } catch (error) {
          return `${(error as Error).name} ${(error as NodeJS.ErrnoException).code}`
        }
      }),
    ),
  ),
  same('bad names for the others', (stage) =>
    on(stage, (res) => [
      thrownBy(() => res.getHeader(undefined as never)),
      thrownBy(() => res.hasHeader(undefined as never)),
      thrownBy(() => res.removeHeader(undefined as never)),
      thrownBy(() => res.appendHeader('a b', 'x')),
      thrownBy(() => res.appendHeader('a', undefined as never)),
    ]),
  ),

  same('changing fields after the head is sent', (stage) =>
    on(stage, (res) => {
      res.setHeader('a', 'b')
      res.writeHead(200)
      return [
        thrownBy(() => res.setHeader('a', 'c')),
        thrownBy(() => res.appendHeader('a', 'c')),
        thrownBy(() => res.removeHeader('a')),
        thrownBy(() => res.setHeaders(new Map([['a', 'b']]))),
        thrownBy(() => res.writeHead(201)),
        thrownBy(() => res.flushHeaders()),
        res.getHeader('a'),
        res.hasHeader('a'),
        res.getHeaderNames(),
      ]
    }),
  ),

  same('changing fields after the response ended', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    res.setHeader('a', 'b')
    res.end('x')
    await connection.readResponse()
    return [
      codeThrownBy(() => res.setHeader('a', 'c')),
      codeThrownBy(() => res.removeHeader('a')),
      codeThrownBy(() => res.appendHeader('a', 'c')),
      codeThrownBy(() => res.writeHead(200)),
      res.getHeader('a'),
      res.headersSent,
      res.statusCode,
      res.statusMessage,
    ]
  }),

  same('what writeHead gave is seen by getHeader', (stage) =>
    on(stage, (res) => {
      res.setHeader('a', '1')
      res.writeHead(200, { B: '2' })
      return [res.getHeader('a'), res.getHeader('b'), { ...res.getHeaders() }]
    }),
  ),
  same('what writeHead gave without setHeader before is not', (stage) =>
    on(stage, (res) => {
      res.writeHead(200, { B: '2' })
      return [res.getHeader('b'), { ...res.getHeaders() }, res.hasHeader('b')]
    }),
  ),

  same('automatic fields are not seen by getHeaders', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    res.end('text')
    await connection.readResponse()
    return [{ ...res.getHeaders() }, res.getHeaderNames()]
  }),

  check('Date is now, in the form of HTTP', async (stage) => {
    const { headers } = await made(stage, (res) => res.end('x'))
    assert.match(String(headers.date), /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
    assert.ok(Math.abs(Date.parse(String(headers.date)) - Date.now()) < 60_000)
  }),

  same('fields set by the deprecated _headers and _headerNames, which nobody checks', async (stage) => {
    const answers: string[] = []
    for (const field of ['_headers', '_headerNames']) {
      const served = await stage.serve((_req, res) => {
        res.setHeader('X-Own', 'own')
        const fields = field === '_headers' ? { 'X-Own': 'é', 'X-More': 'ü' } : { 'x-own': 'X-é' }
        ;(res as unknown as Record<string, unknown>)[field] = fields
        res.end('body')
      })
      const raw = await served.all(bare('GET /', ['Host: x', 'Connection: close']))
      answers.push(raw.replace(/^Date: .*\r\n/m, ''))
    }
    return answers
  }),

  check('_headers-style access by old code: headers object of writeHead is not changed', async (stage) => {
    const given: OutgoingHttpHeaders = Object.freeze({ 'X-A': 'b' })
    const response = await made(stage, (res) => res.writeHead(200, given))
    assert.deepEqual(own(response), [['X-A', 'b']])
  }),

  check('many fields and a long value', async (stage) => {
    const response = await made(stage, (res) => {
      for (let index = 0; index < 300; index++) res.setHeader(`X-${index}`, `${index}`)
      res.setHeader('X-Long', 'v'.repeat(100_000))
      res.end('x')
    })
    assert.equal(own(response).length, 301)
    assert.equal(response.headers['x-long']?.length, 100_000)
    assert.equal(response.text, 'x')
  }),

  same('a field value that is not a string or number, on the wire', async (stage) =>
    own(
      await made(stage, (res) => {
        res.setHeader('a', true as never)
        res.setHeader('b', { toString: () => 'object' } as never)
        res.setHeader('c', new Date(0) as never)
      }),
    ),
  ),

  same('res.setHeader with a Content-Length that is wrong', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    res.setHeader('Content-Length', 10)
    res.end('short')
    await connection.readUntil('short')
    return res.writableEnded
  }),

  check('flushHeaders sends the head at once', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    res.setHeader('X-A', 'b')
    assert.equal(res.flushHeaders(), undefined)
    assert.equal(res.headersSent, true)
    const head = await connection.readUntil('\r\n\r\n')
    assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\nX-A: b\r\n/)
    res.end()
  }),
]
