import {told} from './files.mjs';

const heartbeat = 15000;

/** The part of /v1 the desk uses, over a DevHub. Returns a request handler. */
export function clientApi(hub, token) {
  return async (request, response, url) => {
    if (request.headers.authorization !== `Bearer ${token}`) return problem(response, 401, 'Token refused', 'The token is unknown or was revoked.');
    const path = url.pathname.slice('/v1'.length);
    const route = routes.find(([method, pattern]) => method === request.method && pattern.test(path));
    if (!route) return problem(response, 404, 'Not found', 'There is nothing at this address.');
    const conversation = /^\/conversations\/([^/]+)/.exec(path);
    const found = conversation && hub.conversation(conversation[1]);
    if (conversation && !found) return problem(response, 404, 'Not found', 'There is no such conversation.');
    const body = request.method === 'POST' && path !== '/attachments' ? await read(request) : null;
    if (path !== '/attachments' && request.method === 'POST' && !body) return problem(response, 400, 'Malformed', 'The body is not JSON.');
    return route[2]({hub, request, response, url, body, conversation: found});
  };
}

const routes = [
  ['GET', /^\/conversations$/, ({hub, response}) => json(response, 200, {data: hub.conversations(), next_cursor: ''})],
  ['GET', /^\/conversations\/[^/]+$/, ({hub, response, conversation}) => json(response, 200, hub.shown(conversation.id))],
  ['GET', /^\/conversations\/[^/]+\/messages$/, messages],
  ['GET', /^\/conversations\/[^/]+\/context$/, context],
  ['POST', /^\/conversations\/[^/]+\/typing$/, ({hub, response, conversation}) => { hub.agentTyping(conversation); done(response); }],
  ['POST', /^\/conversations\/[^/]+\/read$/, ({hub, response, conversation, body}) => { hub.read(conversation, body.up_to); done(response); }],
  ['POST', /^\/conversations\/[^/]+\/end$/, ({hub, response, conversation}) => { hub.end(conversation, 'csr'); done(response); }],
  ['POST', /^\/attachments$/, upload],
  ['GET', /^\/attachments\/att_\w+$/, attachment],
  ['POST', /^\/messages$/, send],
  ['GET', /^\/events$/, events],
  ['POST', /^\/events\/ack$/, ({hub, response, body}) => { hub.ack(body.cursor); done(response); }],
];

async function upload({hub, request, response, url}) {
  const file = await hub.files.take(request, url.searchParams.get('name') || 'file', null);
  if (file.status) return problem(response, file.status, file.title, file.detail);
  return json(response, 201, told(file, `/a/${file.id}`));
}

function attachment({hub, response, url}) {
  const file = hub.files.get(url.pathname.split('/').at(-1));
  return file ? json(response, 200, told(file, `/a/${file.id}`)) : problem(response, 404, 'Not found', 'There is no such attachment.');
}

function messages({response, url, conversation}) {
  const limit = Number(url.searchParams.get('limit')) || 50;
  const end = Number(url.searchParams.get('cursor')) || conversation.log.length;
  const start = Math.max(0, end - limit);
  json(response, 200, {data: conversation.log.slice(start, end).reverse(), next_cursor: start > 0 ? String(start) : ''});
}

function context({hub, response, conversation}) {
  const known = hub.context(conversation);
  return known ? json(response, 200, known) : problem(response, 404, 'Not found', 'Nothing is known of a session of this conversation that goes on.');
}

function send({hub, request, response, body}) {
  const key = request.headers['idempotency-key'];
  const shown = hub.conversations().find((c) => c.contact.id === body.to?.contact_id && c.account_id === body.account_id);
  if (!key || !shown || !(body.content?.text || body.attachments?.every((id) => hub.files.get(id)))) return problem(response, 422, 'Invalid', 'The contact, the text or the key is missing.');
  return json(response, 202, hub.send(hub.conversation(shown.id), body.content, body.attachments, key));
}

function events({hub, request, response, url}) {
  const cursor = request.headers['last-event-id'] || url.searchParams.get('cursor') || null;
  if (cursor && !/^c\d+$/.test(cursor)) return problem(response, 400, 'Malformed', 'The cursor is not one of ours.');
  response.writeHead(200, {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store'});
  response.write(': hello\n\n');
  let place = cursor;
  const forward = () => {
    for (const {cursor: at, event} of hub.events(place)) {
      place = at;
      response.write(`id: ${at}\ndata: ${JSON.stringify(event)}\n\n`);
    }
  };
  forward();
  const unwatch = hub.watch((_, what) => what === 'feed' && forward());
  const timer = setInterval(() => response.write(': still here\n\n'), heartbeat);
  return response.on('close', () => { clearInterval(timer); unwatch(); });
}

function read(request) {
  return new Promise((resolve) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('error', () => resolve(null));
    request.on('end', () => {
      try {
        resolve(JSON.parse(Buffer.concat(parts).toString() || '{}'));
      } catch {
        resolve(null);
      }
    });
  });
}

function json(response, status, value) {
  response.writeHead(status, {'Content-Type': 'application/json'}).end(JSON.stringify(value));
}

function done(response) { response.writeHead(204).end(); }

function problem(response, status, title, detail) {
  response.writeHead(status, {'Content-Type': 'application/problem+json'}).end(JSON.stringify({type: `urn:dev:${status}`, title, detail, status}));
}
