import {useEffect, useState} from 'preact/hooks';
import {Icon} from '../shared/icons.jsx';
import {words} from './words.js';

const patience = 1200;

/** Says what is wrong with the connection and what happens to what is typed. A reconnect that is quick says nothing. */
export function Strip({state}) {
  const [late, setLate] = useState(false);
  const away = state.phase !== 'open';
  useEffect(() => {
    setLate(false);
    if (!away) return undefined;
    const timer = setTimeout(() => setLate(true), patience);
    return () => clearTimeout(timer);
  }, [away]);

  const text = textOf(state, late);
  return (
    <div class="strip-frame" role="status">
      {text && <p class={away ? 'strip away' : 'strip'}>{away && <Icon name="offline" />}<span>{text}</span></p>}
    </div>
  );
}

function textOf(state, late) {
  if (state.phase === 'refused') return words.strip.refused;
  if (state.phase !== 'open') return late ? (state.durable ? words.strip.offline : words.strip.memory) : '';
  if (state.lost) return words.strip.lost;
  return !state.durable && state.session === 'open' ? words.strip.blocked : '';
}
