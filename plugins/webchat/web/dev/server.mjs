// Serves the built assets, the chat socket and a client API from memory, to work on the pages without the hub:
//
//   node build.mjs && node dev/server.mjs     then open the address it prints
//
// The tests use `startDevServer` unless BASE_URL names a real hub.

import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {clientApi} from './api.mjs';
import {serveFile, told} from './files.mjs';
import {DevHub} from './hub.mjs';
import {chatSockets} from './socket.mjs';

const assets = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'assets');
const policy = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data: blob:", "base-uri 'none'",
  "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
].join('; ');

/** Starts on a loopback port; 0 takes a free one. Resolves to `{url, token, closeSockets(code), close()}`. */
export async function startDevServer(port = 0) {
  const hub = new DevHub();
  const token = 'hub_demo_0123456789abcdef0123456789abcdef';
  const manifest = JSON.parse(await readFile(join(assets, 'manifest.json'), 'utf8'));
  const api = clientApi(hub, token);
  const sockets = chatSockets(hub);
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://hub');
    if (url.pathname.startsWith('/v1/')) return api(request, response, url);
    const link = /^\/a\/(att_\w+)$/.exec(url.pathname);
    if (link) return hub.files.get(link[1]) ? serveFile(response, hub.files.get(link[1])) : response.writeHead(404).end();
    const upload = request.method === 'POST' && /^\/chat\/[a-z0-9-]{1,40}\/upload$/.test(url.pathname);
    const file = /^\/chat\/[a-z0-9-]{1,40}\/file\/(att_\w+)$/.exec(url.pathname);
    if (upload || file) return visitorFile(hub, request, response, url, file?.[1]);
    const asset = /^\/chat\/[a-z0-9-]{1,40}\/([\w.-]+)$/.exec(url.pathname);
    return serve(response, manifest, asset && (asset[1] === 'demo' ? 'demo.html' : asset[1]));
  });
  server.on('upgrade', (request, socket, head) => {
    const chat = /^\/chat\/([a-z0-9-]{1,40})\/socket$/.exec(request.url);
    const allowed = request.headers.origin === `http://${request.headers.host}`;
    if (chat && allowed) sockets.upgrade(request, socket, head, chat[1]);
    else socket.destroy();
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`, token,
    closeSockets: (code) => sockets.closeAll(code),
    close: () => { sockets.closeAll(1001); server.closeAllConnections(); server.close(); },
  };
}

async function visitorFile(hub, request, response, url, id) {
  const visitor = hub.visitor(request.headers.authorization?.replace('Bearer ', '') || 'none');
  const answer = (status, value) => response.writeHead(status, {'Content-Type': 'application/json'}).end(JSON.stringify(value));
  if (!visitor) return answer(401, {status: 401, title: 'Unauthenticated'});
  if (!id) {
    const file = await hub.files.take(request, url.searchParams.get('name') || 'file', visitor.address);
    return answer(file.status || 201, file.status ? file : told(file));
  }
  const file = hub.files.get(id);
  const theirs = file && (file.owner === visitor.address || visitor.conversation?.log.some((m) => m.attachments?.some((a) => a.id === id)));
  return theirs ? serveFile(response, file) : answer(404, {status: 404, title: 'Not found'});
}

async function serve(response, manifest, name) {
  const file = name && manifest.files[name];
  if (!file) return response.writeHead(404).end();
  const page = name === 'demo.html';
  const caching = page ? 'no-store' : file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache';
  const headers = {'Content-Type': file.content_type, 'Cache-Control': caching, 'X-Content-Type-Options': 'nosniff'};
  if (page) Object.assign(headers, {'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer'});
  else Object.assign(headers, {'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin'});
  return response.writeHead(200, headers).end(await readFile(join(assets, name)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await startDevServer(Number(process.env.PORT) || 8090);
  console.log(`${server.url}/chat/demo/demo#token=${server.token}`);
}
