// Loaded before anything else, as OpenTelemetry asks: `node --require ./otel-setup.cjs`. Spans go to standard output.
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
const { NodeTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node')

const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { name, kind, attributes, status } = span
      const { traceId, spanId } = span.spanContext()
      const parentId = span.parentSpanContext?.spanId
      console.log(`span ${JSON.stringify({ name, kind, traceId, spanId, parentId, status, attributes })}`)
    }
    done({ code: 0 })
  },
  async shutdown() {},
}

new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
new HttpInstrumentation()
require('node:http')
