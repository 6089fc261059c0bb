/**
 * test/bounce/fixtures — our own reports, one per family, written in the forms that the families
 * document. All are about the same message to anna@customer.example.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../../src/bounce/inspect.ts';
import type { Inspection } from '../../src/bounce/inspection.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/bounces');

export const FIXTURE_NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.eml'))
  .map((file) => file.slice(0, -4))
  .sort();

export function fixture(name: string): Buffer {
  return readFileSync(join(FOLDER, `${name}.eml`));
}

export function inspectFixture(name: string): Inspection {
  return inspect(fixture(name));
}
