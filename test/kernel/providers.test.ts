import { describe, expect, test } from 'vitest';
import {
  OTHER_PROVIDER,
  PROVIDER_NAMES,
  providerOfDomain,
  providerOfMx,
} from '../../src/kernel/providers/provider.ts';
import { createProviderLearner, syncProviders } from '../../src/kernel/providers/store.ts';
import { PROVIDER_TABLE } from '../../src/kernel/providers/table.ts';
import { asciiDomain } from '../../src/kernel/address.ts';
import { useDatabase } from '../harness/database.ts';

describe('the table', () => {
  test('names, domains and suffixes are unique and well-formed', () => {
    const domains = PROVIDER_TABLE.flatMap((entry) => entry.domains);
    const suffixes = PROVIDER_TABLE.flatMap((entry) => entry.mxSuffixes);
    expect(new Set(PROVIDER_NAMES).size).toBe(PROVIDER_NAMES.length);
    expect(new Set(domains).size).toBe(domains.length);
    expect(new Set(suffixes).size).toBe(suffixes.length);
    expect(domains.filter((domain) => asciiDomain(domain) !== domain)).toEqual([]);
    expect(PROVIDER_NAMES.filter((name) => !/^[a-z0-9_]+$/.test(name))).toEqual([]);
  });

  test.each(PROVIDER_TABLE.map((entry) => [entry.name, entry] as const))(
    '%s: every suffix has its evidence, and the look-ups answer it',
    (name, { domains, mxSuffixes, evidence }) => {
      expect(mxSuffixes.length).toBeGreaterThan(0);
      for (const suffix of mxSuffixes) {
        expect([suffix, evidence.some((host) => host.endsWith(suffix))]).toEqual([suffix, true]);
      }
      for (const host of evidence) expect([host, providerOfMx(host)]).toEqual([host, name]);
      for (const domain of domains) expect(providerOfDomain(domain)).toBe(name);
    },
  );

  test.each([
    ['MX1.QQ.COM.', 'qq'],
    ['qq.com.example', null],
    ['notqq.com', null],
    ['smtp-relay.gmail.com', null],
    ['shop-example-com.mail.protection.outlook.com', 'outlook'],
    ['mx.shop.example', null],
    ['', null],
  ])('the MX host %j: %s', (host, provider) => {
    expect(providerOfMx(host)).toBe(provider);
  });
});

describe('what the database knows', () => {
  const database = useDatabase();
  const providerOf = async (domain: string): Promise<string> => {
    const rows = await database.sql<{ provider: string }[]>`
      select provider from domain_providers where domain = ${domain}`;
    return rows[0]?.provider ?? OTHER_PROVIDER;
  };

  test('the table, from the migration on; a learned domain stays, a dropped one goes', async () => {
    const { sql } = database;
    expect(await providerOf('163.com')).toBe('netease');
    await sql`
      insert into domain_providers (domain, provider, mx_host)
      values ('gone.example', 'gmail', null), ('stays.example', 'gmail', 'aspmx.l.google.com')`;
    await sql`update domain_providers set provider = 'gmail', mx_host = 'x' where domain = 'qq.com'`;
    await syncProviders(sql);
    expect(await providerOf('gone.example')).toBe(OTHER_PROVIDER);
    expect(await providerOf('stays.example')).toBe('gmail');
    expect(await providerOf('qq.com')).toBe('qq');
  });

  test('a domain is learned by its MX host, and learned anew when it moves', async () => {
    const { learn } = createProviderLearner();
    const see = async (domain: string, mxHost: string): Promise<void> => {
      (await learn(database.sql, [{ domain, mxHost }]))();
    };
    await see('firm.example', 'alt1.aspmx.l.google.com');
    expect(await providerOf('firm.example')).toBe('gmail');
    await see('firm.example', 'firm-example.mail.protection.outlook.com');
    expect(await providerOf('firm.example')).toBe('outlook');
    await see('firm.example', 'mx.firm.example');
    expect(await providerOf('firm.example')).toBe('outlook');
    await see('qq.com', 'aspmx.l.google.com');
    expect(await providerOf('qq.com')).toBe('qq');
  });

  test('what a transaction that failed would have written is not remembered', async () => {
    const { learn } = createProviderLearner();
    const sighting = { domain: 'again.example', mxHost: 'mx3.qq.com' };
    await expect(
      database.sql.begin(async (tx) => {
        await learn(tx, [sighting]);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await providerOf('again.example')).toBe(OTHER_PROVIDER);
    (await learn(database.sql, [sighting]))();
    expect(await providerOf('again.example')).toBe('qq');
  });
});
