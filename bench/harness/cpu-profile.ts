/**
 * bench/cpu-profile — which functions a V8 CPU profile names most: the table of `npm run profile`.
 *
 * Pure.
 */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples?: number[];
  timeDeltas?: number[];
}

export interface HotFunction {
  name: string;
  /** `src/mta/session.ts:120`, or the package, or node. */
  where: string;
  selfMs: number;
  /** With everything it called. */
  totalMs: number;
}

export interface ProfileSummary {
  functions: HotFunction[];
  busyMs: number;
  idleMs: number;
}

export function summariseProfile(profile: CpuProfile): ProfileSummary {
  const selfUs = new Map<number, number>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  }
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, HotFunction>();
  let idleMs = 0;
  let busyMs = 0;

  function keyOf(node: CpuProfile['nodes'][number]): HotFunction {
    const { functionName, url, lineNumber } = node.callFrame;
    const where = placeOf(url, lineNumber);
    const key = `${functionName} ${where}`;
    let found = functions.get(key);
    if (found === undefined) {
      found = { name: functionName || '(anonymous)', where, selfMs: 0, totalMs: 0 };
      functions.set(key, found);
    }
    return found;
  }

  /** Answers the microseconds below and in the node; a function on the stack already is not counted again. */
  function walk(id: number, onStack: Set<HotFunction>): number {
    const node = nodes.get(id);
    if (node === undefined) return 0;
    const own = selfUs.get(id) ?? 0;
    const entry = keyOf(node);
    entry.selfMs += own / 1_000;
    if (node.callFrame.functionName === '(idle)') idleMs += own / 1_000;
    else busyMs += own / 1_000;
    const first = !onStack.has(entry);
    if (first) onStack.add(entry);
    let all = own;
    for (const child of node.children ?? []) all += walk(child, onStack);
    if (first) {
      entry.totalMs += all / 1_000;
      onStack.delete(entry);
    }
    return all;
  }

  const [root] = profile.nodes;
  if (root !== undefined) walk(root.id, new Set());
  const busy = [...functions.values()].filter(({ name }) => name !== '(idle)' && name !== '(root)');
  return { functions: busy.sort((a, b) => b.selfMs - a.selfMs), busyMs, idleMs };
}

function placeOf(url: string, lineNumber: number): string {
  if (url === '') return 'native';
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(url);
  if (inPackage !== null) return `${inPackage[1] ?? ''}/${inPackage[2] ?? ''}:${lineNumber + 1}`;
  const own = /\/((?:src|bench|drizzle)\/(?!.*\/src\/).*)$/.exec(url);
  return `${own?.[1] ?? url}:${lineNumber + 1}`;
}
