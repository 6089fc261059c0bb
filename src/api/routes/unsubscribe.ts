/**
 * api/routes/unsubscribe — the page behind the link in a message, and one-click (RFC 8058).
 *
 * Promises: GET and HEAD change nothing, so a scanner that follows every link unsubscribes nobody.
 *           POST with `List-Unsubscribe=One-Click` (a mail client, or the button) does, at once; the
 *           same again does no harm. No key, no cookie, no script, no address shown: a forwarded mail
 *           tells nothing about whom it was sent to.
 * Fails:    404 page for a link we did not sign. The link of a single copy does not say who clicks,
 *           so its page asks for the address, and answers the same whether it was on the list or not.
 */
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { html } from 'hono/html';
import { bufferToFormData } from 'hono/utils/buffer';
import { unsubscribeByToken } from '../../bounce/unsubscribe.ts';
import type { UnsubscribeDeps } from '../../bounce/unsubscribe.ts';
import { verifyToken } from '../../verp/token.ts';
import { endpoint } from '../endpoint.ts';
import type { ApiEnv } from '../environment.ts';
import type { Gate } from '../gate.ts';
import { PAGE_HEADERS, page } from '../html.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';

const MAX_FORM_BYTES = 16_384;
const FIELD = 'List-Unsubscribe';
const ONE_CLICK = 'One-Click';

const WORDS = {
  en: {
    title: 'Unsubscribe',
    question: 'Do you want to receive no more of these mails?',
    address: 'Your mail address',
    button: 'Unsubscribe',
    doneTitle: 'Unsubscribed',
    done: 'You will receive no more of these mails.',
    doneFor: 'If this address is on the list, it will receive no more of these mails.',
    unknownTitle: 'This link does not work',
    unknown: 'It is incomplete or too old. Please use the link in the latest mail.',
  },
  zh: {
    title: '退订',
    question: '您确定不再接收此类邮件吗？',
    address: '您的邮箱地址',
    button: '退订',
    doneTitle: '已退订',
    done: '您将不会再收到此类邮件。',
    doneFor: '如果该地址在名单中，将不会再收到此类邮件。',
    unknownTitle: '链接无效',
    unknown: '链接不完整或已失效，请使用最近一封邮件中的链接。',
  },
} as const;
type Language = keyof typeof WORDS;

const params = z.object({
  token: z.string().openapi({ param: { name: 'token', in: 'path' }, example: 'ceaaaaadqmzwt5' }),
});
const htmlPage = { 'text/html': { schema: z.string() } };

const show = endpoint(
  { scope: 'public' },
  {
    method: 'get',
    path: '/u/{token}',
    tags: ['Unsubscribe'],
    summary: 'The page that asks',
    description: 'Changes nothing.',
    request: { params },
    responses: {
      200: { description: 'A form', content: htmlPage },
      404: { description: 'No link of ours', content: htmlPage },
    },
  },
);

const submit = endpoint(
  { scope: 'public', body: 'form' },
  {
    method: 'post',
    path: '/u/{token}',
    tags: ['Unsubscribe'],
    summary: 'Unsubscribe with one click (RFC 8058)',
    request: {
      params,
      body: {
        required: true,
        content: {
          // No zod schema: the body is read here, with a limit of its own.
          'application/x-www-form-urlencoded': {
            schema: {
              type: 'object',
              required: [FIELD],
              properties: {
                [FIELD]: { type: 'string', enum: [ONE_CLICK] },
                email: { type: 'string', description: 'Only for the link of a single copy' },
              },
            },
          },
        },
      },
    },
    responses: {
      200: { description: 'Unsubscribed', content: htmlPage },
      404: { description: 'No link of ours', content: htmlPage },
      422: { description: 'Not one click, or the address is missing', content: htmlPage },
    },
  },
);

export function unsubscribeRoutes(gate: Gate, deps: UnsubscribeDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(show), (c) => {
    const token = verifyToken(deps.keyRing, c.req.valid('param').token);
    if (token?.kind === 'unsubscribe') return formPage(c, 200, false);
    if (token?.kind === 'unsubscribe_batch') return formPage(c, 200, true);
    return unknownPage(c);
  });
  router.openapi(gate(submit), async (c) => {
    const text = c.req.valid('param').token;
    const form = await readForm(c);
    const asksAddress = verifyToken(deps.keyRing, text)?.kind === 'unsubscribe_batch';
    if (form.get(FIELD) !== ONE_CLICK) return formPage(c, 422, asksAddress);
    const email = form.get('email');
    const result = await unsubscribeByToken(deps, text, typeof email === 'string' ? email : null);
    if (result.outcome === 'address_needed') return formPage(c, 422, true);
    // Who is on the list of a single copy is nobody's business.
    if (result.outcome === 'unknown' && !asksAddress) return unknownPage(c);
    return donePage(c, asksAddress);
  });
  return router;
}

/** Both encodings of RFC 8058 3.1; what is neither is an empty form. */
async function readForm(c: Context<ApiEnv>): Promise<FormData> {
  const bytes = await c.var.body.read(MAX_FORM_BYTES);
  try {
    return await bufferToFormData(new Uint8Array(bytes).buffer, c.req.header('Content-Type') ?? '');
  } catch {
    // Not a form: the answer is the form that was expected.
    return new FormData();
  }
}

function languageOf(c: Context<ApiEnv>): Language {
  return accepts(c, {
    header: 'Accept-Language',
    supports: ['en', 'zh'],
    default: 'en',
    match: (wanted, { default: fallback }) =>
      wanted
        .map(({ type }) => type.toLowerCase().split('-')[0] ?? '')
        .find((language) => Object.hasOwn(WORDS, language)) ?? fallback,
  }) as Language;
}

function formPage(c: Context<ApiEnv>, status: 200 | 422, asksAddress: boolean) {
  const language = languageOf(c);
  const words = WORDS[language];
  const input = html`<label
    >${words.address}
    <input type="email" name="email" required autocomplete="email" maxlength="320" />
  </label>`;
  const form = html`<p>${words.question}</p>
    <form method="post">
      <input type="hidden" name="${FIELD}" value="${ONE_CLICK}" />
      ${asksAddress ? input : ''}
      <button type="submit">${words.button}</button>
    </form>`;
  return c.html(page(language, words.title, form), status, pageHeaders(language));
}

function donePage(c: Context<ApiEnv>, asksAddress: boolean) {
  const language = languageOf(c);
  const words = WORDS[language];
  const text = html`<p role="status">${asksAddress ? words.doneFor : words.done}</p>`;
  return c.html(page(language, words.doneTitle, text), 200, pageHeaders(language));
}

function unknownPage(c: Context<ApiEnv>) {
  const language = languageOf(c);
  const words = WORDS[language];
  const text = html`<p>${words.unknown}</p>`;
  return c.html(page(language, words.unknownTitle, text), 404, pageHeaders(language));
}

function pageHeaders(language: Language): Record<string, string> {
  return { ...PAGE_HEADERS, 'Content-Language': language, Vary: 'Accept-Language' };
}
