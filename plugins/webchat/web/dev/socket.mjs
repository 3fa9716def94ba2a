import {WebSocketServer} from 'ws';
import {fileLimit} from './files.mjs';

const limits = {text: 4000, frame: 32768, frames_per_10s: 40, files: {size: fileLimit}};
const kept = 200;
const cookies = ['campaign'];

/** The chat socket of docs/webchat-protocol.md over a DevHub. Returns what the HTTP server's upgrade event calls, and `closeAll(code)`. */
export function chatSockets(hub) {
  const server = new WebSocketServer({noServer: true, maxPayload: limits.frame});
  const upgrade = (request, socket, head, account) => {
    server.handleUpgrade(request, socket, head, (ws) => talk(hub, ws, account, {ip: request.socket.remoteAddress, user_agent: request.headers['user-agent']}));
  };
  const closeAll = (code) => {
    for (const ws of server.clients) ws.close(code);
  };
  return {upgrade, closeAll};
}

function talk(hub, ws, account, browser) {
  let visitor = null;
  let place = 0;
  let told = '';
  let recent = [];
  const send = (frame) => ws.readyState === ws.OPEN && ws.send(JSON.stringify(frame));
  const late = setTimeout(() => ws.close(4000), 10000);

  const log = () => visitor.conversation?.log || [];
  const forward = () => {
    const fresh = log().slice(place);
    if (fresh.length === 0) return;
    place = log().length;
    send({type: 'frames', position: `p${place}`, frames: fresh.map(render)});
  };
  const state = () => {
    const c = visitor.conversation;
    const frame = JSON.stringify({
      type: 'state', session: c ? c.state : 'none', ended_by: c?.ended_by, ended_at: c?.ended_at, read_up_to: c?.read_up_to,
    });
    if (frame !== told) ws.send(told = frame);
  };
  const unwatch = hub.watch((conversation, what) => {
    if (!visitor || !conversation || conversation !== visitor.conversation || ws.readyState !== ws.OPEN) return;
    if (what === 'log') forward();
    else if (what === 'state') state();
    else if (what === 'typing') send({type: 'frames', frames: [{type: 'typing', author: 'csr'}]});
  });

  const context = (frame) => {
    const named = Object.entries(frame.cookies || {}).filter(([name]) => cookies.includes(name));
    hub.tell(visitor, {...browser, page: frame.page, data: frame.data, cookies: Object.fromEntries(named)});
  };
  const hello = (frame) => {
    if (frame.type !== 'hello' || frame.version !== 1) return ws.close(4000);
    clearTimeout(late);
    const found = hub.visitor(frame.token);
    if (!found) return ws.close(4001);
    visitor = found;
    const from = /^p\d+$/.test(frame.position || '') ? Number(frame.position.slice(1)) : NaN;
    const resumed = from <= log().length;
    place = resumed ? from : Math.max(0, log().length - kept);
    context(frame);
    send({type: 'welcome', token: visitor.token, resumed, limits, cookies});
    forward();
    return state();
  };
  const text = (frame) => {
    if (typeof frame.id !== 'string' || typeof frame.text !== 'string' || (frame.text.trim() === '' && !frame.attachments?.length)) {
      return send({type: 'nack', id: frame.id, code: 'malformed', detail: 'The message is empty.', retry: false});
    }
    if ([...frame.text].length > limits.text) {
      return send({type: 'nack', id: frame.id, code: 'too_long', detail: 'It is too long.', retry: false});
    }
    const message = hub.receive(visitor, frame, account);
    return send({type: 'ack', id: frame.id, message_id: message.id, at: message.created_at});
  };
  const handlers = {
    ping: () => send({type: 'pong'}),
    message: text,
    context,
    typing: () => visitor.conversation && hub.typing(visitor.conversation),
    end: (frame) => {
      if (visitor.conversation) hub.end(visitor.conversation, 'customer');
      send({type: 'ack', id: frame.id});
    },
    delivered: (frame) => receipt(frame, 'delivered'),
    read: (frame) => receipt(frame, 'read'),
  };
  const receipt = (frame, status) => {
    if (visitor.conversation) hub.receipt(visitor.conversation, frame.ids, status);
    send({type: 'ack', id: frame.id});
  };

  ws.on('message', (data, binary) => {
    let frame = null;
    try {
      frame = binary ? null : JSON.parse(data);
    } catch {
      // answered below
    }
    if (!frame || typeof frame !== 'object') return ws.close(4000);
    if (!visitor) return hello(frame);
    recent = [...recent.filter((at) => at > Date.now() - 10000), Date.now()];
    if (recent.length > limits.frames_per_10s && frame.id) {
      return send({type: 'nack', id: frame.id, code: 'rate_limited', detail: 'Too many messages. Wait a moment.', retry: true, retry_after_ms: 2000});
    }
    if (handlers[frame.type]) return handlers[frame.type](frame);
    return frame.id && send({type: 'nack', id: frame.id, code: 'unsupported', detail: 'This is not supported.', retry: false});
  });
  ws.on('close', () => { clearTimeout(late); unwatch(); });
  ws.on('error', () => {}); // a close follows
}

function render(m) {
  const message = {id: m.id, author: m.author, text: m.content.text || '', at: m.created_at, attachments: m.attachments};
  if (m.direction === 'inbound') message.client_id = m.provider_id;
  else message.status = m.status;
  return {type: 'message', message};
}
