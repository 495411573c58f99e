// A handler with a fixed service time: it holds its thread, as synchronous work does, and leaves the processor to others,
// so that the capacity of a server is workers / service time however busy the load generator is.
const serviceMs = Number(process.env.SERVICE_MS ?? 5)
const nothing = new Int32Array(new SharedArrayBuffer(4))

export default function app(_req, res) {
  Atomics.wait(nothing, 0, 0, serviceMs)
  res.setHeader('Content-Type', 'text/plain')
  res.end('done')
}
