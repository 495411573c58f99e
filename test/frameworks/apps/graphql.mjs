// GraphQL Yoga over HTTP and server-sent events, and graphql-ws over WebSockets, on one server.
import http from 'node:http'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { sha256 } from './shared.mjs'

const events = createPubSub()

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    scalar File
    type Query {
      hello(name: String!): String!
      client: String
      fails: String
    }
    type Mutation {
      add(a: Int!, b: Int!): Int!
      upload(file: File!): String!
      publish(text: String!): Boolean!
    }
    type Subscription {
      count(to: Int!): Int!
      published: String!
    }
  `,
  resolvers: {
    Query: {
      hello: (_parent, { name }) => `hello ${name}`,
      client: (_parent, _args, { req }) => req.socket.remoteAddress,
      fails: () => {
        throw new Error('on purpose')
      },
    },
    Mutation: {
      add: (_parent, { a, b }) => a + b,
      upload: async (_parent, { file }) => `${file.name} ${sha256(Buffer.from(await file.arrayBuffer()))}`,
      publish: (_parent, { text }) => {
        events.publish('text', text)
        return true
      },
    },
    Subscription: {
      count: {
        async *subscribe(_parent, { to }) {
          try {
            for (let count = 1; count <= to; count++) yield { count }
          } finally {
            console.log(`counted to ${to}`)
          }
        },
      },
      published: { subscribe: () => events.subscribe('text'), resolve: (text) => text },
    },
  },
})

const yoga = createYoga({ schema, logging: false })
const server = http.createServer(yoga)
const context = ({ extra }) => ({ req: extra.request })
useServer({ schema, context }, new WebSocketServer({ server, path: yoga.graphqlEndpoint }))

export default server
