/** cli/route-text — an explanation of a route as lines for people. */
import type { ExplainedHost, ExplainedSource, Explanation } from '../mta/explain.ts';

export function explanationRows(one: Explanation): [string, string][] {
  return [
    ['route', one.rule === null ? 'none: by MX' : `${one.rule.pattern} (${one.rule.id})`],
    ['transport', [one.transport, one.target].filter((part) => part !== null).join(' ')],
    ...named('tls', one.tls),
    ...named('login', one.loginUser),
    ...named('pool', one.pool),
    ...one.sources.map((source): [string, string] => ['  from', describeSource(source)]),
    ...one.hosts.flatMap(hostRows),
    ...named('cannot leave', one.failure === null ? null : describeFailure(one.failure)),
    ['limits', describeLimits(one.limits)],
  ];
}

function named(name: string, value: string | null): [string, string][] {
  return value === null ? [] : [[name, value]];
}

function describeSource(source: ExplainedSource): string {
  const { address, proxy, heloName, weight, droppedUntilMs } = source;
  const until = droppedUntilMs === null ? null : new Date(droppedUntilMs).toISOString();
  const parts = [
    address ?? 'an address of the proxy',
    proxy === null ? null : `through ${proxy}`,
    `as ${heloName}`,
    `weight ${weight}`,
    until === null ? null : `not before ${until}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function hostRows(host: ExplainedHost): [string, string][] {
  const preference = host.preference === null ? '' : `${host.preference} `;
  return [
    ['host', `${preference}${host.name}:${host.port}${noteOf(host.note)}`],
    ...host.addresses.map(({ address, note }): [string, string] => [
      '  address',
      `${address}${noteOf(note)}`,
    ]),
  ];
}

function noteOf(note: string | null): string {
  return note === null ? '' : ` (${note})`;
}

function describeFailure({ text, permanent }: NonNullable<Explanation['failure']>): string {
  return `${text} (${permanent ? 'for good' : 'tried again later'})`;
}

function describeLimits(limits: Explanation['limits']): string {
  const { maxConnections, maxMessagesPerConnection, maxRecipients, maxMessages } = limits;
  const parts = [
    `${maxConnections} connections`,
    `${maxMessagesPerConnection} messages a connection`,
    maxMessages === null ? null : `the host takes ${maxMessages}`,
    maxRecipients === null ? null : `the host takes ${maxRecipients} recipients a message`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}
