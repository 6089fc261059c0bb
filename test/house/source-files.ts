/** house/source-files — the files of the repository, as the structure tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** Relative to the repository: `src/mta/reply.ts`. */
  path: string;
  text: string;
  lines: number;
  /** Imported paths, relative to the repository; packages as written. */
  imports: string[];
  /** Those that exist at run time: not `import type`. */
  valueImports: string[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)(\s+type)?\s[^'"`;]*?from\s+'([^']+)'|import\('([^']+)'\)/g;

export function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => {
      const text = readFileSync(file, 'utf8');
      const found = [...text.matchAll(IMPORT)].map(([, type, from, dynamic]) => {
        const name = from ?? dynamic ?? '';
        const path = name.startsWith('.') ? relative(ROOT, resolve(dirname(file), name)) : name;
        return { path, isType: type !== undefined };
      });
      return {
        path: relative(ROOT, file),
        text,
        lines: text.trimEnd().split('\n').length,
        imports: found.map(({ path }) => path),
        valueImports: found.filter(({ isType }) => !isType).map(({ path }) => path),
      };
    })
    .sort((a, b) => a.path.localeCompare(b.path));
}

/** `src/mta/reply.ts` -> `mta`; `src/main.ts` -> `main`. */
export function roomOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
}
