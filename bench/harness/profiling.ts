/** bench/profiling — whether the processes that are measured write a CPU profile, and where. */
let folder: string | null = null;

/** From now on engine processes are profiled. */
export function profileInto(path: string): void {
  folder = path;
}

/** Flags of node for a process that is measured. */
export function profilingFlags(): string[] {
  return folder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}
