import { expect, test } from 'vitest';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();

test('bigint comes back as bigint, columns in camelCase, times as Date', async () => {
  const [row] = await database.sql`select 9007199254740993::bigint as big_id, now() as at_time`;
  expect(row?.bigId).toBe(9007199254740993n);
  expect(row?.atTime).toBeInstanceOf(Date);
});
