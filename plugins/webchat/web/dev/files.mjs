import {randomBytes} from 'node:crypto';

export const fileLimit = 25 * 1024 * 1024;
const kept = 24 * 3600 * 1000;
const disposition = (name) => `attachment; filename*=UTF-8''${encodeURIComponent(name)}`;

/** The files of the hub in memory: no detector and no scanner, but the same answers. */
export class DevFiles {
  #files = new Map();

  /** Takes a body; `owner` is a visitor's address, or null. Resolves to the file, or to a problem `{status, title, detail}`. */
  async take(request, name, owner) {
    const parts = [];
    let size = 0;
    for await (const part of request) {
      size += part.length;
      if (size <= fileLimit) parts.push(part);
    }
    const body = Buffer.concat(parts);
    if (size > fileLimit) return {status: 413, title: 'Too large', detail: 'The file is larger than allowed.'};
    const start = body.subarray(0, 16).toString('latin1');
    if (size === 0 || start.startsWith('<') || start.startsWith('MZ')) return {status: 422, title: 'Invalid', detail: 'Files of this type are not taken.'};
    const image = start.startsWith('\u0089PNG') || start.startsWith('\u00ff\u00d8');
    const file = {
      id: `att_${randomBytes(16).toString('hex')}`, name, kind: image ? 'image' : 'file', mime_type: image ? 'image/png' : 'text/plain', size,
      state: 'ready', expires_at: new Date(Date.now() + kept).toISOString(), owner, body,
    };
    this.#files.set(file.id, file);
    return file;
  }

  get(id) { return this.#files.get(id) || null; }
}

/** What is told of a file; `url` for those who get a link. */
export function told({owner, body, ...file}, url) { return url ? {...file, url} : file; }

export function serveFile(response, file) {
  response.writeHead(200, {
    'Content-Type': file.mime_type, 'Content-Disposition': disposition(file.name), 'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox", 'Cache-Control': 'private, no-store',
  }).end(file.body);
}
