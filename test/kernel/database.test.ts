import { expect, test } from 'vitest';
import { useDatabase } from '../harness/database.ts';

const database = useDatabase();

test('bigint comes back as bigint, columns in camelCase, times as Date', async () => {
  const [row] = await database.sql`select 9007199254740993::bigint as big_id, now() as at_time`;
  expect(row?.bigId).toBe(9007199254740993n);
  expect(row?.atTime).toBeInstanceOf(Date);
});

test('keys inside JSON come back as they were stored', async () => {
  const value = { first_name: 'Ann', a_: { _b: [{ c_d: 1 }] }, '': 0 };

  const [row] = await database.sql`select ${database.sql.json(value)}::jsonb as json_value`;

  expect(row?.jsonValue).toEqual(value);
});

test('keys inside JSON are data and come back as they went in', async () => {
  const { sql } = database;
  const value = { first_name: 'Ann', list_: [{ item_no: 1 }], camelCase: 2, '': null };
  const [row] = await sql<{ someValue: unknown }[]>`select ${sql.json(value)}::jsonb as some_value`;
  expect(row?.someValue).toEqual(value);
});
