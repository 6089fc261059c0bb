/**
 * verp/link — the https form of an unsubscribe address (RFC 2369, one-click RFC 8058).
 *
 * Pure. Promises: `<base>/u/<token>`, whatever the base's trailing slash; query and fragment of the
 *           base are dropped. ASCII without white space, fit for a header.
 * Fails:    throws when the base is no http(s) URL: it was checked when the sender was made.
 */
import { invariant } from '../kernel/errors.ts';

/** The API serves this path. */
export const UNSUBSCRIBE_PATH = '/u/';

export function unsubscribeUrl(baseUrl: string, token: string): string {
  return unsubscribeLinks(baseUrl)(token);
}

/** For many tokens: a URL is taken apart once. */
export function unsubscribeLinks(baseUrl: string): (token: string) => string {
  const url = new URL(baseUrl);
  invariant(/^https?:$/.test(url.protocol), 'an unsubscribe base is an http or https URL');
  url.pathname = url.pathname.replace(/\/*$/, UNSUBSCRIBE_PATH);
  url.search = '';
  url.hash = '';
  const { href } = url;
  return (token) => href + encodeURIComponent(token);
}
