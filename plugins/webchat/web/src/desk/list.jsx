import {useLayoutEffect, useRef, useState} from 'preact/hooks';
import {briefOf} from '../shared/clock.js';
import {Icon, Tick} from '../shared/icons.jsx';
import {channelIcon, channelName, nameOf} from './address.js';
import {lineOf} from './messages.js';

const filters = [['all', 'All'], ['open', 'Open'], ['unread', 'Unread']];

/** The conversations that a search and a filter leave. The open one stays, whatever the filter says. */
export function shownOf(state, query, filter) {
  const words = query.trim().toLowerCase();
  return (state.list || []).filter((c) => {
    if (c.id !== state.selected) {
      if (filter === 'open' && c.state !== 'open') return false;
      if (filter === 'unread' && !state.unread[c.id]?.length) return false;
    }
    return !words || `${nameOf(c.contact)} ${c.account_id} ${lineOf(c.last_message)}`.toLowerCase().includes(words);
  });
}

/** The left column: search, filter, one row a conversation. */
export function List({store, state, shown, query, filter, onQuery, onFilter, search, onHelp}) {
  const unread = Object.values(state.unread).filter((ids) => ids.length > 0).length;
  return (
    <nav class="list" aria-label="Conversations">
      <header class="list-head">
        <h2>Conversations{unread > 0 && <span class="pill">{unread}<span class="sr"> unread</span></span>}</h2>
        <button type="button" class="icon-button" aria-label="Keys" title="Keys (?)" onClick={onHelp}><Icon name="help" /></button>
      </header>
      <label class="search">
        <Icon name="search" />
        <input ref={search} type="search" aria-label="Search conversations" value={query} placeholder="Search" autoComplete="off" onInput={(e) => onQuery(e.currentTarget.value)}
          onKeyDown={(e) => { if (e.key === 'Escape') { onQuery(''); e.currentTarget.blur(); } }} />
        {query
          ? <button type="button" class="icon-button" aria-label="Clear the search" onClick={() => { onQuery(''); search.current.focus(); }}><Icon name="close" /></button>
          : <kbd aria-hidden="true">/</kbd>}
      </label>
      <div class="filters" role="group" aria-label="Show">
        {filters.map(([id, text]) => <button type="button" key={id} aria-pressed={filter === id ? 'true' : 'false'} onClick={() => onFilter(id)}>{text}</button>)}
      </div>
      <div class="rows">
        {state.list === null && <Skeleton problem={state.problem} />}
        {state.list && shown.length === 0 && <Nothing any={state.list.length > 0} query={query} />}
        <ul>
          {shown.map((c) => <Entry key={c.id} conversation={c} selected={c.id === state.selected} unread={unreadWord(state, c.id)} typing={state.typing[c.id]} onPick={() => store.select(c.id)} />)}
        </ul>
        {state.next && <More store={store} />}
      </div>
    </nav>
  );
}

// A number only where it is known to be right.
function unreadWord(state, id) {
  const n = state.unread[id]?.length || 0;
  if (n === 0) return '';
  return state.older[id] ? 'New' : n > 99 ? '99+' : String(n);
}

function Entry({conversation: c, selected, unread, typing, onPick}) {
  const button = useRef(null);
  useLayoutEffect(() => {
    if (selected) button.current.scrollIntoView({block: 'nearest'});
  }, [selected]);
  const last = c.last_message;
  return (
    <li>
      <button type="button" ref={button} data-id={c.id} class={unread ? 'entry unread' : 'entry'} aria-current={selected ? 'true' : undefined} onClick={onPick}>
        <span class="channel-mark" title={channelName(c.channel)}><Icon name={channelIcon(c.channel)} /><span class="sr">{channelName(c.channel)}, </span></span>
        <span class="entry-top">
          <span class="entry-name"><bdi>{nameOf(c.contact)}</bdi></span>
          {c.last_event_at && <time dateTime={c.last_event_at}>{briefOf(c.last_event_at)}</time>}
        </span>
        <span class="entry-bottom">
          {typing
            ? <span class="entry-line live">Typing…</span>
            : <span class="entry-line">{last?.direction === 'outbound' && <><Tick status={last.status} /><span class="sr">You: </span></>}<bdi>{lineOf(last) || 'No message is kept'}</bdi></span>}
          {c.state === 'ended' && <span class="tag">Ended</span>}
          {unread && <span class="pill">{unread}<span class="sr"> unread</span></span>}
        </span>
      </button>
    </li>
  );
}

function Nothing({any, query}) {
  if (!any) return <p class="none">No conversations yet. They appear here with their first message.</p>;
  return <p class="none">{query ? 'No conversation here matches the search.' : 'No conversation is like that now.'}</p>;
}

function More({store}) {
  const [problem, setProblem] = useState(null);
  const read = () => store.more().then(() => setProblem(null), setProblem);
  return (
    <p class="more">
      {problem && <span role="alert">Older conversations could not be read. </span>}
      <button type="button" class="button" onClick={read}>{problem ? 'Try again' : 'Show older ones'}</button>
    </p>
  );
}

function Skeleton({problem}) {
  if (problem) return <p class="none">The conversations could not be read yet. They appear as soon as the hub answers.</p>;
  return (
    <div class="skeleton" role="status">
      <span class="sr">Loading conversations</span>
      {[1, 2, 3, 4, 5].map((n) => <div class="bone-row" key={n}><span class="bone-dot" /><span class="bone-a" /><span class="bone-b" /></div>)}
    </div>
  );
}
