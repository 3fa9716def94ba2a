const kinds = {phone: 'Phone', psid: 'Messenger user', wa_id: 'WhatsApp user', bsuid: 'Business user', visitor: 'Visitor'};
const channels = {webchat: 'Web chat', facebook: 'Facebook', whatsapp: 'WhatsApp', sms: 'SMS', echo: 'Echo'};

/** The name of a channel for people. */
export function channelName(channel) { return channels[channel] || channel; }

/** The mark of a channel in a list. */
export function channelIcon(channel) { return channel === 'sms' || channel === 'whatsapp' ? 'phone' : 'chat'; }

/** An address with all but its end hidden: enough to tell two apart, too little to write down. */
export function masked(address) { return address ? `•••• ${address.slice(-4)}` : ''; }

export function kindName(kind) { return kinds[kind] || 'Address'; }

/** What to call a contact: the name, else the kind and the end of the address. */
export function nameOf(contact) {
  if (contact?.display_name) return contact.display_name;
  if (!contact?.address) return 'Unknown contact';
  return contact.address_kind === 'phone' ? masked(contact.address) : `${kindName(contact.address_kind)} ${contact.address.slice(-4)}`;
}
