/**
 * api/routes/unsubscribe — the page behind the link in a message, and one-click (RFC 8058).
 *
 * Promises: GET and HEAD change nothing, so a scanner that follows every link unsubscribes nobody.
 *           POST with `List-Unsubscribe=One-Click` (a mail client, or the button) does, at once; the
 *           same again does no harm. No key, no cookie, no redirect, no script, no address shown: a
 *           forwarded mail tells nothing about whom it was sent to.
 * Fails:    404 page for a link we did not sign. The link of a single copy does not say who clicks,
 *           so its page asks for the address and sends a link to it; its answer is the same, and takes
 *           as long, whether the address is on the list or not.
 * See:      unsubscribe-words.ts, docs/unsubscribe.md.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { html } from 'hono/html';
import { bufferToFormData } from 'hono/utils/buffer';
import { CHOICES, WHYS } from '../../bounce/findings.ts';
import type { Wish } from '../../bounce/findings.ts';
import { askByMail, unsubscribeByToken } from '../../bounce/unsubscribe.ts';
import type { UnsubscribeDeps } from '../../bounce/unsubscribe.ts';
import { parseAddress } from '../../kernel/address.ts';
import { verifyToken } from '../../verp/token.ts';
import { endpoint } from '../endpoint.ts';
import type { ApiEnv } from '../environment.ts';
import type { Gate } from '../gate.ts';
import { PAGE_HEADERS, page } from '../html.ts';
import { createRouter } from '../router.ts';
import type { ApiRouter } from '../router.ts';
import { LANGUAGES, WORDS } from './unsubscribe-words.ts';
import type { Language } from './unsubscribe-words.ts';

const MAX_FORM_BYTES = 16_384;
const FIELD = 'List-Unsubscribe';
const ONE_CLICK = 'One-Click';
/** Longer than the look-up and the mail take: a quicker answer would tell that there was none. */
const ANSWER_AFTER_MS = 400;

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
                choice: {
                  type: 'string',
                  enum: [...CHOICES],
                  description: 'Absent: `list`, the stream of the campaign',
                },
                why: { type: 'string', enum: [...WHYS, ''] },
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
      422: { description: 'Not one click, or a wrong choice or address', content: htmlPage },
    },
  },
);

export function unsubscribeRoutes(gate: Gate, deps: UnsubscribeDeps): ApiRouter {
  const router = createRouter();
  router.openapi(gate(show), (c) => {
    const token = verifyToken(deps.keyRing, c.req.valid('param').token);
    if (token?.kind === 'unsubscribe') return choicePage(c, 200);
    if (token?.kind === 'unsubscribe_batch') return addressPage(c, 200);
    return unknownPage(c);
  });
  router.openapi(gate(submit), async (c) => {
    const text = c.req.valid('param').token;
    const form = await readForm(c);
    const kind = verifyToken(deps.keyRing, text)?.kind;
    if (kind === 'unsubscribe_batch') return await askForLink(c, deps, text, form);
    if (kind !== 'unsubscribe') return unknownPage(c);
    const wish = readWish(form);
    if (wish === null) return choicePage(c, 422);
    const result = await unsubscribeByToken(deps, text, wish);
    if (result.outcome === 'unknown') return unknownPage(c);
    const { doneTitle, done } = WORDS[languageOf(c)];
    return textPage(c, 200, doneTitle, done[wish.choice]);
  });
  return router;
}

/** null: not one click, or a field that no form of ours has. */
function readWish(form: FormData): Wish | null {
  if (form.get(FIELD) !== ONE_CLICK) return null;
  const choice = CHOICES.find((each) => each === (form.get('choice') ?? 'list'));
  const given = form.get('why') ?? '';
  const why = given === '' ? null : WHYS.find((each) => each === given);
  if (choice === undefined || why === undefined) return null;
  return { choice, why, how: 'one-click link' };
}

async function askForLink(
  c: Context<ApiEnv>,
  deps: UnsubscribeDeps,
  token: string,
  form: FormData,
) {
  const { askedTitle, asked, mail } = WORDS[languageOf(c)];
  const email = form.get('email');
  if (form.get(FIELD) !== ONE_CLICK || typeof email !== 'string' || !parseAddress(email).ok) {
    return addressPage(c, 422);
  }
  await Promise.all([askByMail(deps, token, email, mail), sleep(ANSWER_AFTER_MS)]);
  return textPage(c, 200, askedTitle, asked);
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
    supports: LANGUAGES,
    default: 'en',
    match: (wanted, { default: fallback }) =>
      wanted
        .map(({ type }) => type.toLowerCase().split('-')[0] ?? '')
        .find((language) => Object.hasOwn(WORDS, language)) ?? fallback,
  }) as Language;
}

function choicePage(c: Context<ApiEnv>, status: 200 | 422) {
  const language = languageOf(c);
  const words = WORDS[language];
  const choices = CHOICES.map(
    (choice) =>
      html`<label class="choice"
        ><input
          type="radio"
          name="choice"
          value="${choice}"
          ${choice === 'list' ? 'checked' : ''}
        />${words.choices[choice]}</label
      >`,
  );
  const whys = ['' as const, ...WHYS].map(
    (why) => html`<option value="${why}">${words.whys[why]}</option>`,
  );
  const form = html`<form method="post">
    <input type="hidden" name="${FIELD}" value="${ONE_CLICK}" />
    <fieldset>
      <legend>${words.question}</legend>
      ${choices}
    </fieldset>
    <label
      >${words.why}
      <select name="why">
        ${whys}
      </select>
    </label>
    <button type="submit">${words.button}</button>
  </form>`;
  return c.html(page(language, words.title, form), status, pageHeaders(language));
}

function addressPage(c: Context<ApiEnv>, status: 200 | 422) {
  const language = languageOf(c);
  const words = WORDS[language];
  const wrong = status === 422;
  const error = html`<p id="error" role="alert">${words.addressMissing}</p>`;
  const form = html`<form method="post">
    <input type="hidden" name="${FIELD}" value="${ONE_CLICK}" />
    ${wrong ? error : ''}
    <label
      >${words.address}
      <input
        type="email"
        name="email"
        required
        autocomplete="email"
        maxlength="320"
        aria-describedby="${wrong ? 'error hint' : 'hint'}"
        ${wrong ? 'aria-invalid=true' : ''}
      />
    </label>
    <p id="hint">${words.addressHint}</p>
    <button type="submit">${words.ask}</button>
  </form>`;
  return c.html(page(language, words.title, form), status, pageHeaders(language));
}

function textPage(c: Context<ApiEnv>, status: 200 | 404, title: string, text: string) {
  const language = languageOf(c);
  const content = html`<p role="status">${text}</p>`;
  return c.html(page(language, title, content), status, pageHeaders(language));
}

function unknownPage(c: Context<ApiEnv>) {
  const { unknownTitle, unknown } = WORDS[languageOf(c)];
  return textPage(c, 404, unknownTitle, unknown);
}

function pageHeaders(language: Language): Record<string, string> {
  return { ...PAGE_HEADERS, 'Content-Language': language, Vary: 'Accept-Language' };
}
