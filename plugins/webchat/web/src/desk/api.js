const patience = 20000;

/** What the hub answered instead of what was asked for; `status` 0 means that it did not answer. */
export class ApiProblem extends Error {
  constructor(status, title, detail, retryAfter) {
    super(title);
    this.name = 'ApiProblem';
    this.status = status;
    this.detail = detail || '';
    this.retryAfter = retryAfter || 0; // ms
  }

  /** Whether the same request may work later. */
  get passing() { return this.status === 0 || this.status === 409 || this.status === 429 || this.status >= 500; }
}

/** The client application API as the desk uses it, with one token. */
export class Api {
  #token;

  constructor(token) { this.#token = token; }

  conversations(cursor) { return this.#json('GET', `/v1/conversations?limit=50${page(cursor)}`); }

  conversation(id) { return this.#json('GET', `/v1/conversations/${encodeURIComponent(id)}`); }

  context(id) { return this.#json('GET', `/v1/conversations/${encodeURIComponent(id)}/context`); }

  messages(id, cursor) { return this.#json('GET', `/v1/conversations/${encodeURIComponent(id)}/messages?limit=50${page(cursor)}`); }

  send(message, key) { return this.#json('POST', '/v1/messages', message, {'Idempotency-Key': key}); }

  attachment(id) { return this.#json('GET', `/v1/attachments/${encodeURIComponent(id)}`); }

  /** Sends the bytes of a file; `progress` is told the percentage. Resolves to what the hub says of it. */
  upload(blob, name, progress) {
    return new Promise((resolve, reject) => {
      // Only this way a browser tells how far an upload has come.
      const xhr = new XMLHttpRequest();
      xhr.open('POST', `/v1/attachments?name=${encodeURIComponent(name)}`);
      xhr.setRequestHeader('Authorization', `Bearer ${this.#token}`);
      xhr.setRequestHeader('Content-Type', 'application/octet-stream');
      xhr.upload.onprogress = (event) => {
        if (event.lengthComputable && event.total > 0) progress(Math.floor(event.loaded / event.total * 100));
      };
      xhr.onloadend = () => {
        let answer = null;
        try {
          answer = JSON.parse(xhr.responseText);
        } catch {
          // It broke off, or nobody answered.
        }
        if (xhr.status === 201 && answer?.id) resolve(answer);
        else if (xhr.status === 0 || xhr.status === 201) reject(new ApiProblem(0, 'The hub cannot be reached'));
        else reject(new ApiProblem(xhr.status, answer?.title || `The hub answered ${xhr.status}`, answer?.detail, Number(xhr.getResponseHeader('Retry-After')) * 1000 || 0));
      };
      xhr.send(blob);
    });
  }

  typing(id) { return this.#json('POST', `/v1/conversations/${encodeURIComponent(id)}/typing`, {}); }

  read(id, upTo) { return this.#json('POST', `/v1/conversations/${encodeURIComponent(id)}/read`, {up_to: upTo}); }

  end(id) { return this.#json('POST', `/v1/conversations/${encodeURIComponent(id)}/end`, {}); }

  ack(cursor) { return this.#json('POST', '/v1/events/ack', {cursor}); }

  /**
   * Opens the feed after `cursor`, or where this token's consumer left off. Resolves to the response, whose body is a stream of
   * events, or one page of them where something in between does not stream.
   */
  async events(cursor, signal) {
    const query = cursor ? `?wait=25s&cursor=${encodeURIComponent(cursor)}` : '?wait=25s';
    const headers = {Accept: 'text/event-stream'};
    if (cursor) headers['Last-Event-ID'] = cursor;
    return this.#request('GET', `/v1/events${query}`, {headers, signal});
  }

  async #json(method, path, body, headers = {}) {
    const init = {headers: {Accept: 'application/json', ...headers}, signal: AbortSignal.timeout(patience)};
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers['Content-Type'] = 'application/json';
    }
    const response = await this.#request(method, path, init);
    if (response.status === 204) return null;
    try {
      return await response.json();
    } catch {
      // An empty answer to a signal is as good as 204; a broken one to a question is not.
      if (method === 'POST' && path !== '/v1/messages') return null;
      throw new ApiProblem(0, 'The answer broke off');
    }
  }

  async #request(method, path, {headers, ...init}) {
    let response;
    try {
      response = await fetch(path, {
        method, cache: 'no-store', credentials: 'omit', ...init, headers: {...headers, Authorization: `Bearer ${this.#token}`},
      });
    } catch {
      throw new ApiProblem(0, 'The hub cannot be reached');
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    const wait = Number(response.headers.get('Retry-After')) * 1000;
    throw new ApiProblem(response.status, problem.title || `The hub answered ${response.status}`, problem.detail, wait > 0 ? wait : 0);
  }
}

function page(cursor) { return cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''; }
