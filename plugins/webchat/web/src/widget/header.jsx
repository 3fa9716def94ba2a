import {Icon} from '../shared/icons.jsx';
import {words} from './words.js';

/** Logo, title, what the operator says of answering times, and the two ways out. */
export function Header({settings, canEnd, onEnd, onClose}) {
  return (
    <header class="head">
      <span class="logo"><Icon name="chat" /></span>
      <div class="head-text">
        <h2>{settings.title}</h2>
        {settings.subtitle && <p>{settings.subtitle}</p>}
      </div>
      {canEnd && <button type="button" class="icon-button" aria-label={words.end} title={words.end} onClick={onEnd}><Icon name="end" class="flip" /></button>}
      <button type="button" class="icon-button" aria-label={words.closeChat} title={words.closeChat} onClick={onClose}><Icon name="close" /></button>
    </header>
  );
}
