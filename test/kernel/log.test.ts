import { expect, test } from 'vitest';
import { describeError } from '../../src/kernel/log.ts';

test('an error is logged without the data PostgreSQL quotes in it', () => {
  const error = Object.assign(new Error('duplicate key', { cause: new Error('deeper') }), {
    code: '23505',
    detail: 'Key (address_key)=(ann@example.com) already exists.',
    parameters: ['ann@example.com'],
  });

  const logged = JSON.stringify(describeError(error));

  expect(logged).toContain('duplicate key');
  expect(logged).toContain('23505');
  expect(logged).toContain('deeper');
  expect(logged).not.toContain('ann@example.com');
});
