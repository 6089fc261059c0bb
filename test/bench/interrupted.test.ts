/** A signal in the middle of a benchmark: nothing that it has started stays. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'volley-interrupted-'));
  // PostgreSQL, which is not run by root, must get in.
  chmodSync(folder, 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Processes below `root`, PostgreSQL's own too. */
function descendants(root: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n');
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const found = [root];
  for (const above of found) {
    for (const [pid, parent] of pairs) if (parent === above && pid !== undefined) found.push(pid);
  }
  return found.slice(1);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

interface Ended {
  code: number | null;
  below: number[];
  stderr: string;
}

/** Runs a program of bench/ until `line` is printed, then sends it the signal. */
async function interruptAt(
  args: readonly string[],
  line: RegExp,
  signal: NodeJS.Signals,
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let below: number[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (below.length > 0 || !line.test(text)) return;
    below = descendants(child.pid ?? 0);
    child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, below, stderr };
}

describe('a signal in the middle of a bench', () => {
  const run = ['bench/main.ts', 'end-to-end', '--dkim', 'none', '--sink', 'own', '--no-keep'];

  const sends = /Volley: [\d,]+ messages/;

  // In the middle: PostgreSQL with its workers, sink and engine. At the first line: hardly one of them.
  test.each([
    { signal: 'SIGINT', args: [...run, '--n', '2000', '--rounds', '1000'], line: sends, least: 5 },
    { signal: 'SIGTERM', args: ['bench/smoke.ts'], line: sends, least: 5 },
    { signal: 'SIGTERM', args: [...run, '--n', '2000'], line: /== end-to-end/, least: 0 },
  ] as const)(
    '$signal to $args leaves no process and no folder',
    async ({ signal, args, line, least }) => {
      const { code, below, stderr } = await interruptAt(args, line, signal);
      expect(code, stderr).toBe(128 + constants.signals[signal]);
      expect(below.length).toBeGreaterThanOrEqual(least);
      expect(below.filter(isAlive)).toEqual([]);
      expect(readdirSync(folder).filter((name) => name.startsWith('volley-'))).toEqual([]);
      expect(stderr).not.toContain('    at ');
    },
    60_000,
  );
});

test('a closed stdout ends a bench, and leaves no folder', { timeout: 60_000 }, async () => {
  const args = ['end-to-end', '--dkim', 'none', '--sink', 'own', '--no-keep', '--n', '200'];
  const child = spawn(process.execPath, ['bench/main.ts', ...args, '--rounds', '1000'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(code).toBe(128 + constants.signals.SIGPIPE);
  expect(readdirSync(folder).filter((name) => name.startsWith('volley-'))).toEqual([]);
});

function run(program: string, args: string[]): { code: number; stdout: string; stderr: string } {
  try {
    const options = { encoding: 'utf8', stdio: 'pipe' } as const;
    const stdout = execFileSync(process.execPath, [join('bench', program), ...args], options);
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    return { code: status, stdout, stderr };
  }
}

describe('the command line of bench/', () => {
  test.each([
    ['main.ts', ['no-such-bench'], 'no such bench: no-such-bench'],
    ['main.ts', ['verp', '--foo'], '--foo'],
    ['main.ts', ['verp', '--n', '1e20'], '--n must be a whole number from 1 to 1000000000'],
    ['main.ts', ['verp', '--rtt', '5'], '--rtt changes nothing in verp'],
    ['main.ts', ['verp', '--json', '/no/such/folder/x'], '--json: ENOENT'],
    ['main.ts', ['peers', 'instal'], 'peers install'],
    ['profile.ts', [], 'NAME'],
    ['profile.ts', ['verp', '--mode', 'parallel'], '--mode changes nothing in verp'],
    ['score-bounces.ts', ['--foo'], '--foo'],
    ['score-bounces.ts', ['--corpora', '/no/such/folder'], '/no/such/folder'],
  ])('%s %j is a mistake, told in a sentence', (program, args, words) => {
    const { code, stderr } = run(program, args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('    at ');
  });

  test('--help is an answer', () => {
    const { code, stdout } = run('main.ts', ['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('peers install');
  });

  test('a bench that works in the process of the harness has a profile', () => {
    const { code, stdout } = run('profile.ts', ['render', '--n', '20000']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^bench\/profiles\/\S+\.cpuprofile$/m);
    expect(stdout).toContain('src/campaigns/source/');
  });
});
