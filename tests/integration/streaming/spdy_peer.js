// A client of exec, attach and port-forward on npm's spdy-transport, an implementation of SPDY/3.1 that nobody of this
// project wrote. Usage: node spdy_peer.js JSON, with NODE_PATH at the installed package; see peer.py for the keys.
'use strict'
const http = require('http')
const crypto = require('crypto')
const { connection } = require('spdy-transport')

const wish = JSON.parse(process.argv[2])
const result = { streams: {} }
const KEEP = 1 << 20

function finish (error) {
  if (error) result.error = String(error)
  process.stdout.write(JSON.stringify(result) + '\n', () => process.exit(0))
}

function collect (name, stream) {
  const entry = { bytes: 0, text: '' }
  const hash = crypto.createHash('sha256')
  result.streams[name] = entry
  stream.on('data', (chunk) => {
    entry.bytes += chunk.length
    hash.update(chunk)
    if (entry.bytes < KEEP) entry.text += chunk.toString('latin1')
    if (wish.dieAfter && name === 'stdout' && entry.bytes >= wish.dieAfter) process.kill(process.pid, 'SIGKILL')
    if (wish.pauseMs && name === 'stdout') {
      stream.pause()
      setTimeout(() => stream.resume(), wish.pauseMs)
    }
  })
  return new Promise((resolve) => {
    stream.on('end', () => { entry.sha256 = hash.digest('hex'); resolve() })
    stream.on('error', (error) => { entry.error = String(error); resolve() })
    stream.on('close', resolve)
  })
}

async function feed (stream, size) {
  // The same bytes again and again, so that the other side can work out the digest.
  const block = Buffer.alloc(65536, 'spdy-transport!\n')
  while (size > 0) {
    const piece = size < block.length ? block.subarray(0, size) : block
    size -= piece.length
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve))
  }
  stream.end()
}

function open (conn, headers) {
  return new Promise((resolve, reject) => {
    const stream = conn.request({ method: 'POST', path: '/', host: 'x', headers }, (error) => {
      if (error) reject(error)
    })
    stream.on('response', () => resolve(stream))
    stream.on('error', reject)
  })
}

async function remoteCommand (conn) {
  const ends = []
  const streams = {}
  for (const kind of wish.streams) {
    streams[kind] = await open(conn, { streamtype: kind })
    if (kind !== 'stdin' && kind !== 'resize') ends.push(collect(kind, streams[kind]))
  }
  for (const size of wish.sizes || []) streams.resize.write(JSON.stringify({ Width: size[0], Height: size[1] }))
  if (wish.stdin !== undefined) {
    streams.stdin.write(wish.stdin)
    if (!wish.keepStdin) streams.stdin.end()
  }
  if (wish.stdinBytes) await feed(streams.stdin, wish.stdinBytes)
  await Promise.all(ends)
}

async function forward (conn) {
  await Promise.all(wish.connections.map(async (each, index) => {
    const headers = { port: String(each.port), requestid: String(index) }
    const error = await open(conn, { ...headers, streamtype: 'error' })
    const failed = collect(`error${index}`, error)
    error.end()
    const data = await open(conn, { ...headers, streamtype: 'data' })
    const answered = collect(`data${index}`, data)
    if (each.send !== undefined) data.write(each.send)
    if (each.sendBytes) feed(data, each.sendBytes)
    else if (each.end) data.end()
    await Promise.all([failed, answered])
  }))
}

const url = new URL(wish.url)
const request = http.request({
  host: url.hostname,
  port: url.port,
  path: url.pathname,
  method: 'POST',
  headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': wish.protocol }
})
request.on('response', (response) => { result.http = response.statusCode; finish() })
request.on('error', finish)
request.on('upgrade', (response, socket) => {
  result.protocol = response.headers['x-stream-protocol-version']
  const conn = connection.create(socket, { protocol: 'spdy', isServer: false, windowSize: wish.window || undefined })
  conn.start(3.1)
  conn.on('error', (error) => { result.error = String(error) })
  const work = wish.connections ? forward(conn) : remoteCommand(conn)
  work.then(() => { socket.destroy(); finish() }, finish)
})
request.end()
