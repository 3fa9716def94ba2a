import {words} from './words.js';

/** The empty state: a greeting, and sentences to begin with where the operator gave some. */
export function Welcome({settings, onPick}) {
  return (
    <div class="welcome">
      <p class="greeting">{settings.greeting}</p>
      {settings.starters.length > 0 && (
        <ul aria-label={words.starters}>
          {settings.starters.map((text) => <li key={text}><button type="button" class="button starter" onClick={() => onPick(text)}>{text}</button></li>)}
        </ul>
      )}
    </div>
  );
}
