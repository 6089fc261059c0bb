import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ask, drain } from '../../src/kernel/ask.ts';

const signal = AbortSignal.timeout(10_000);

test('goes to the checked address, whatever the name, and follows nothing', async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.host);
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end('x'.repeat(100_000));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://nowhere.invalid:${port}/`);
  const response = await ask(url, { addresses: ['127.0.0.1'], headers: {}, signal });
  expect(response.statusCode).toBe(302);
  await drain(response, 1_000);
  expect(asked).toEqual([`nowhere.invalid:${port}`]);
  await new Promise((resolve) => server.close(resolve));
});

test.each(['http://127.0.0.1:9/', 'http://[::1]:9/'])(
  'an address in the URL that was not checked is not spoken to: %s',
  async (url) => {
    const asking = ask(new URL(url), { addresses: ['192.0.2.1'], headers: {}, signal });
    await expect(asking).rejects.toThrow('was not checked');
  },
);
