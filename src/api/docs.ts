/**
 * api/docs — /openapi.json, its reference page at /docs, and a page per error at /problems/{code}.
 *
 * Promises: nothing comes from outside: Swagger UI is served out of node_modules, and the content
 *           security policy forbids everything else. The document is made once, from the routes.
 * Why Swagger UI: one package. Scalar's bundle comes from a CDN, or with 299 packages (243 MB).
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { html } from 'hono/html';
import { AppError, ERROR_CODES } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';
import { PAGE_HEADERS, page } from './html.ts';
import { PROBLEMS } from './problem.ts';
import { createRouter } from './router.ts';
import type { ApiRouter } from './router.ts';

const ASSETS: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

const REFERENCE = html`<!doctype html>
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>Volley API</title>
      <link rel="icon" href="docs/favicon-32x32.png" />
      <link rel="stylesheet" href="docs/swagger-ui.css" />
    </head>
    <body>
      <noscript
        >This page needs JavaScript; the same is in
        <a href="openapi.json">openapi.json</a>.</noscript
      >
      <div id="reference"></div>
      <script src="docs/swagger-ui-bundle.js"></script>
      <script src="docs/start.js"></script>
    </body>
  </html>`;

const REFERENCE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const CACHED = { 'Cache-Control': 'public, max-age=3600' };

/** `document` is asked for once, when all routes are known. */
export function docsRoutes(document: () => object): ApiRouter {
  const router = createRouter();
  const find = createRequire(import.meta.url).resolve;
  let made: string | null = null;

  router.get('/openapi.json', (c) => {
    made ??= JSON.stringify(document(), null, 1);
    return c.body(made, 200, { 'Content-Type': 'application/json' });
  });
  router.get('/docs', (c) =>
    c.html(REFERENCE, 200, { 'Content-Security-Policy': REFERENCE_POLICY }),
  );
  router.get('/docs/start.js', (c) =>
    c.body(START, 200, { ...CACHED, 'Content-Type': 'text/javascript; charset=utf-8' }),
  );
  router.get('/docs/:asset', async (c) => {
    const name = c.req.param('asset');
    const type = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
    if (type === undefined) throw new AppError('not_found', 'no such file');
    const bytes = await readFile(find(`swagger-ui-dist/${name}`));
    return c.body(new Uint8Array(bytes), 200, { ...CACHED, 'Content-Type': type });
  });
  router.get('/problems/:code', (c) => {
    const code = c.req.param('code');
    if (!isErrorCode(code)) throw new AppError('not_found', 'no such problem');
    const { status, title, advice } = PROBLEMS[code];
    const content = html`<p><code>${code}</code>, HTTP status ${status}</p>
      <p>${advice.replaceAll('`', '')}.</p>`;
    return c.html(page('en', title, content), 200, PAGE_HEADERS);
  });
  return router;
}

function isErrorCode(text: string): text is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(text);
}
